"""A customer reports a service: staff get a notice with his words, once while it is open."""

import pytest

from providers.models import Alert
from providers.reporting import MOST_OPEN
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db


def test_a_report_becomes_one_open_notice() -> None:
    service = world.service(world.offer(world.provider()))
    browser = signed_in(world.customer())
    address = f"/services/{service.pk}/report"
    assert b"What is wrong" in browser.get(address).content
    assert browser.post(address, {"words": " "}).status_code == 422
    assert browser.post(address, {"words": "Not\nreal"})["Location"] == "/services/"
    browser.post(address, {"words": "Still not"})
    [alert] = Alert.objects.all()
    assert (alert.level, alert.count) == ("notice", 2)
    assert alert.text == f"alice@example.org reports service {service.pk}: Still not"
    assert browser.get("/services/999999/report").status_code == 404


def test_one_customer_cannot_fill_the_list() -> None:
    provider = world.provider()
    services = [world.service(world.offer(provider, str(n))) for n in range(MOST_OPEN + 1)]
    browser = signed_in(world.customer())
    for service in services:
        browser.post(f"/services/{service.pk}/report", {"words": "No"})
    assert Alert.objects.count() == MOST_OPEN
    signed_in(world.bob()).post(f"/services/{services[0].pk}/report", {"words": "No"})
    assert Alert.objects.count() == MOST_OPEN + 1
