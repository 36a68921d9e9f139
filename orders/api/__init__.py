"""The reseller API of customers' scripts and other panels: /api/v2, its keys page and its description."""
