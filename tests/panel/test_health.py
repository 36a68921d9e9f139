import json
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from customers.models import Heartbeat
from tests.conftest import ROOT, process_environment

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


def test_metrics_are_for_this_machine_or_for_the_token(client: Client, settings: LazySettings) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert b'headwater_up{part="database"} 1.0' in answer.content
    assert client.get("/metrics", REMOTE_ADDR="198.51.100.7").status_code == 403
    settings.METRICS_TOKEN = "a-long-token"
    assert client.get("/metrics").status_code == 403
    good = {"Authorization": "Bearer a-long-token"}
    assert client.get("/metrics", headers=good, REMOTE_ADDR="198.51.100.7").status_code == 200


@pytest.mark.django_db
def test_metrics_tell_what_the_last_ledger_check_found(client: Client) -> None:
    from orders.ledger_watch import check_and_tell

    assert "headwater_ledger" not in client.get("/metrics").content.decode()
    check_and_tell()
    told = client.get("/metrics").content.decode()
    assert "headwater_ledger_broken 0.0" in told
    assert "headwater_ledger_warnings 0.0" in told
    assert "headwater_ledger_check_age_seconds" in told


def test_a_real_web_process_answers(live_panel: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(f"{live_panel}/healthz")
    assert answer.value.code == 503
    assert json.load(answer.value)["database"] == {"state": "ok"}
    probe = [sys.executable, "-m", "panel.probe", "web"]
    environment = process_environment(PORT=live_panel.rsplit(":", 1)[1], SITE_URL=live_panel)
    assert subprocess.run(probe, cwd=ROOT, env=environment, check=False).returncode == 0
    assert subprocess.run([*probe[:-1], "worker"], cwd=ROOT, env=environment, check=False).returncode == 1
