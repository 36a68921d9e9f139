"""Programs that know nothing of us, run as they are against a real gunicorn."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from customers.models import User
from orders.models import Order
from providers.models import Service
from tests import world

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = Path(__file__).parent / "clients"


def run(program: str, script: str, *arguments: str) -> Any:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    if program == "php" and "curl" not in subprocess.run(["php", "-m"], capture_output=True, text=True, check=False).stdout:  # fmt: skip
        pytest.skip("php-curl is not installed")
    done = subprocess.run(
        [program, str(CLIENTS / script), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("ending", ["", "/"])
def test_the_classic_php_class(
    ending: str, live_panel: str, alice: User, shop: Service, key_of: Callable[..., str]
) -> None:
    said = run("php", "classic.php", f"{live_panel}/api/v2{ending}", key_of(alice), str(shop.pk))
    first, second = Order.objects.order_by("id")
    assert said == {
        "rate": "2.00",
        "refillable": True,
        "order": first.pk,
        "second": second.pk,
        "poor": "Not enough funds on balance",
        "status": "Pending",
        "remains": {str(first.pk): "100", str(second.pk): "200", "424242": "Incorrect order ID"},
        "refill": "A refill can be asked for once the order is completed.",
        "refills": "Incorrect order ID",
        "refill_status": "Refill not found",
        "refill_statuses": "Refill not found",
        "cancel": [
            {"order": first.pk, "cancel": 1},
            {"order": second.pk, "cancel": 1},
            {"order": 424242, "cancel": {"error": "Incorrect order ID"}},
        ],
        "balance": "100.00",
    }
    assert first.link == "https://example.org/a?b=1&c=2"
    world.sane()


def test_plain_node(live_panel: str, alice: User, shop: Service, key_of: Callable[..., str]) -> None:
    said = run("node", "plain.mjs", f"{live_panel}/api/v2", key_of(alice), str(shop.pk))
    placed = list(Order.objects.order_by("id").values_list("pk", flat=True))
    first = placed[0]
    assert said["orders"] == placed
    assert len(placed) == 5
    assert set(Order.objects.values_list("link", "quantity", "runs")) == {("https://example.org/a?b=1&c=2", 100, None)}  # fmt: skip
    assert (said["rate"], said["refillable"], said["status"]) == ("2.00", True, "Pending")
    assert said["poor"] == "Not enough funds on balance"
    assert list(said["statuses"]) == [str(first), "424242"]
    assert said["cancel"] == [
        {"order": first, "cancel": 1},
        {"order": 424242, "cancel": {"error": "Incorrect order ID"}},
    ]
    assert said["balance"] == "99.20"
    world.sane()
