"""The sandbox behind a provider, as for the tests of orders."""

from tests.orders.conftest import confirm_at_once, meridian, upstream, views

__all__ = ["confirm_at_once", "meridian", "upstream", "views"]
