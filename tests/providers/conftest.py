"""What tests of the supply side share: an upstream with a list of its own, allowed as a private address."""

from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from providers.catalog import sync_catalog
from providers.models import Provider
from providers.publishing import publish
from tests.providers.shop import Upstream, connected, everything_at


@pytest.fixture
def shop(httpserver: HTTPServer, settings: Any) -> Upstream:
    upstream = Upstream(httpserver)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({upstream.origin})
    return upstream


@pytest.fixture
def selling(shop: Upstream) -> Provider:
    """Twenty services at 1.00, all on sale at 1.25."""
    shop.list_many(20)
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    everything_at(25)
    assert len(publish(provider).services) == 20
    return provider
