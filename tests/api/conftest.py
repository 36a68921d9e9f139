"""What tests of /api/v2 share: Alice with a key and money, a shop with one plain service, and a way to call."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client

from customers.api_keys import create_api_key
from customers.models import User
from providers.models import Provider, Service
from tests import world

ADDRESS = "/api/v2"


@dataclass
class Caller:
    """`call("add", service=1, …)` posts a form with the key and returns the JSON of a 200."""

    key: str
    client: Client = field(default_factory=Client)

    def __call__(self, action: str, **parameters: Any) -> Any:
        response = self.post({"action": action, **parameters})
        assert response.status_code == 200, response.content
        assert response["Content-Type"] == "application/json"
        return json.loads(response.content)

    def post(self, form: dict[str, Any], **extra: Any) -> Any:
        return self.client.post(ADDRESS, {"key": self.key, **form}, **extra)


@pytest.fixture
def alice(db: None) -> User:
    return world.customer()


@pytest.fixture
def key_of(db: None) -> Callable[..., str]:
    """A fresh key of a user, in plain text."""

    def make(user: User, **options: Any) -> str:
        return create_api_key(user, **options)[1]

    return make


@pytest.fixture
def call(alice: User, key_of: Callable[..., str]) -> Caller:
    return Caller(key_of(alice))


@pytest.fixture
def meridian(db: None) -> Provider:
    """A provider that nobody calls in these tests."""
    return world.provider()


@pytest.fixture
def shop(meridian: Provider) -> Service:
    """Display impressions at 2.00 per 1000, from 10 to 1,000,000, with refill and cancel."""
    return world.service(world.offer(meridian))
