"""Saved replies: an admin keeps the list in the settings, reviewers choose one where a customer reads the answer."""

import pytest

from customers import site_settings
from tests import staff_world, world

pytestmark = pytest.mark.django_db


def test_a_reviewer_chooses_one_in_the_pane_and_where_an_order_is_rejected() -> None:
    impressions, alice = world.service(world.offer(world.provider())), world.customer()
    rita = staff_world.signed_in(world.reviewer())
    staff_world.cancel_asked(staff_world.accepted(world.order(alice, impressions), remains=500))
    unsent = world.order(alice, impressions, "https://example.org/unsent")
    bare = rita.get("/staff/review").content.decode()
    assert "data-reply" not in bare
    site_settings.change(
        {"reject_replies": ["It runs already"], "approve_replies": ["Thank you for waiting"]}
    )
    pane = rita.get("/staff/review").content.decode()
    assert "<option>It runs already</option>" in pane
    assert "<option>Thank you for waiting</option>" in pane
    page = rita.get(f"/staff/orders/{unsent.pk}").content.decode()
    assert 'data-reply="#why-reject"' in page
    assert "Thank you for waiting" not in page
