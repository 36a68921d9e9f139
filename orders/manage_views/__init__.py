"""The admins' pages about the business: dashboard, the switch for sending, the ledger check."""
