"""What tests of the supply side share: an upstream with a list of its own, allowed as a private address."""

from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.providers.shop import Upstream


@pytest.fixture
def shop(httpserver: HTTPServer, settings: Any) -> Upstream:
    upstream = Upstream(httpserver)
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({upstream.origin})
    return upstream
