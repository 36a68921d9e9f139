"""The admins' pages about people and money: payments, ledger, team, audit log."""
