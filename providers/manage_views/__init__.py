"""The admins' pages about the supply: providers, catalog changes, services, prices, alerts."""
