"""What tests of orders share: a sandbox provider connected to the panel, with one service on sale."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings

from providers.models import Provider, Service
from tests import world
from tests.sandbox import Sandbox


@pytest.fixture
def upstream(transactional_db: None, start_sandbox: Callable[..., Sandbox]) -> Iterator[Sandbox]:
    """A sandbox provider whose clock stands still, reachable for the panel; no order ends by itself."""
    sandbox = start_sandbox(speed=0, partial_share=0, cancel_share=0)
    allowed = settings.PROVIDER_ALLOWED_PRIVATE
    settings.PROVIDER_ALLOWED_PRIVATE = frozenset({sandbox.origin})
    yield sandbox
    settings.PROVIDER_ALLOWED_PRIVATE = allowed


@pytest.fixture
def meridian(upstream: Sandbox) -> Provider:
    """The sandbox as a provider of ours; options may be set by tests."""
    return world.provider(upstream.url, upstream.key)


@pytest.fixture
def views(upstream: Sandbox, meridian: Provider) -> Service:
    """A Default service of the sandbox with refill and cancel, 100 to 100,000, on sale at 10.00 per 1000."""
    name = "Video pre-roll views, 15 seconds"
    row = next(row for row in upstream.ask("services") if row["name"] == name)
    limits = {"minimum": int(row["min"]), "maximum": int(row["max"]), "rate": Decimal(row["rate"])}
    return world.service(world.offer(meridian, str(row["service"]), name=name, **limits), rate="10.00")


@pytest.fixture
def confirm_at_once(settings: Any) -> None:
    """One reading of an end is enough."""
    settings.STATUS_CONFIRM_SECONDS = 0
