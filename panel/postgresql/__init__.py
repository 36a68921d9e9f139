"""Django's PostgreSQL, with a cheaper way to see that a connection is alive (base.py)."""
