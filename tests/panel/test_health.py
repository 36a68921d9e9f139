from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from customers.models import Heartbeat

pytestmark = pytest.mark.django_db(transaction=True)


def test_it_names_the_missing_worker_and_beat(client: Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 503
    states = {part: answer.json()[part]["state"] for part in ("database", "broker", "worker", "beat")}
    assert states == {"database": "ok", "broker": "ok", "worker": "missing", "beat": "missing"}


def test_it_is_well_when_everybody_was_heard_lately(client: Client) -> None:
    Heartbeat.objects.create(name="worker1@here", kind="worker", at=timezone.now())
    Heartbeat.objects.create(name="beat", kind="beat", at=timezone.now())
    assert client.get("/healthz").status_code == 200


def test_a_worker_that_was_heard_a_minute_ago_is_missing(client: Client) -> None:
    Heartbeat.objects.create(name="worker1@here", kind="worker", at=timezone.now() - timedelta(seconds=60))
    Heartbeat.objects.create(name="beat", kind="beat", at=timezone.now())
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["worker"]["state"] == "missing"


@pytest.mark.slow
def test_a_real_worker_is_heard(worker: object, client: Client) -> None:
    assert client.get("/healthz").json()["worker"]["state"] == "ok"
