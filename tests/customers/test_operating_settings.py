"""The settings of review, limits and notices as an admin meets them: typed, checked, audited, secrets never shown."""

import json
from decimal import Decimal

import pytest
from django.test import Client

from customers import site_settings
from customers.models import AuditEntry, Setting, User
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db
NOTICES = {
    "part": "notices",
    "notice_emails": "ops@example.org",
    "notice_level": "warning",
    "hook_address": "https://hooks.example.org/in/T0KEN",
    "hook_secret": "sixteen characters!",
    "chat_address": "",
    "chat_id": "",
}


@pytest.fixture
def admin() -> Client:
    return signed_in(world.admin())


def test_review_rules_and_limits_are_stored_with_their_types_and_audited(admin: Client) -> None:
    review = {
        "part": "review",
        "review_above": "25.50",
        "review_first_orders": "3",
        "review_links": "Casino\n\n Bet ",
    }
    assert admin.post("/manage/settings", review).status_code == 302
    assert admin.post(
        "/manage/settings", {"part": "limits", "largest_charge": "500", "payments_waiting": "4"}
    )
    site = site_settings.load()
    assert (site.review_above, site.review_first_orders, site.review_links) == (
        Decimal("25.50"),
        3,
        ("casino", "bet"),
    )
    assert (site.largest_charge, site.payments_waiting) == (Decimal(500), 4)
    entry = AuditEntry.objects.filter(verb="settings.change").order_by("pk")[0]
    assert entry.details["review_above"] == [None, "25.50"]
    assert entry.details["review_links"] == [[], ["casino", "bet"]]
    page = admin.get("/manage/settings").content.decode()
    assert 'value="25.5"' in page and "casino\nbet" in page


def test_a_rule_that_is_taken_back_leaves_no_row(admin: Client) -> None:
    for above, first in (("25", "3"), ("", "0")):
        values = {"part": "review", "review_above": above, "review_first_orders": first, "review_links": ""}
        assert admin.post("/manage/settings", values).status_code == 302
    assert not Setting.objects.filter(key__startswith="review").exists()


def test_saved_replies_keep_their_letters(admin: Client) -> None:
    replies = {
        "part": "replies",
        "reject_replies": "The window  has closed.\n\nThe window has closed.",
        "approve_replies": "",
    }
    assert admin.post("/manage/settings", replies).status_code == 302
    site = site_settings.load()
    assert (site.reject_replies, site.approve_replies) == (("The window has closed.",), ())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"part": "review", "review_above": "much"}, "An amount is a number such as 10.00."),
        ({"part": "review", "review_above": "-5"}, "An amount is a number such as 10.00."),
        ({"part": "review", "review_above": "0"}, "More than 0, or empty."),
        ({"part": "review", "review_first_orders": "101"}, "A whole number from 0 to 100."),
        ({"part": "limits", "payments_waiting": "0"}, "A whole number from 1 to 100."),
        ({"part": "replies", "reject_replies": "x" * 301}, "At most 300 characters a line."),
        (NOTICES | {"notice_emails": "ops"}, "ops is not an e-mail address."),
        (NOTICES | {"hook_address": "http://hooks.example.org"}, "An address that begins with https://"),
        (NOTICES | {"hook_secret": "short"}, "16 to 500 characters."),
        (NOTICES | {"hook_secret": ""}, "The webhook needs a secret"),
        (NOTICES | {"chat_address": "https://api.telegram.org/botX/sendMessage"}, "needs the id of the chat"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(
    admin: Client, values: dict[str, str], sentence: str
) -> None:
    page = admin.post("/manage/settings", values)
    assert page.status_code == 422
    assert sentence in page.content.decode()
    assert not Setting.objects.exists()


def test_addresses_and_secrets_are_not_shown_again_and_stay_when_left_empty(admin: Client) -> None:
    assert admin.post("/manage/settings", NOTICES).status_code == 302
    page = admin.get("/manage/settings").content.decode()
    assert "Set: hooks.example.org" in page
    stored = json.dumps(list(Setting.objects.values_list("value", flat=True)))
    audited = json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))
    for where in (page, stored, audited):
        assert "T0KEN" not in where and "sixteen characters!" not in where
    assert (
        admin.post("/manage/settings", NOTICES | {"hook_address": "", "hook_secret": ""}).status_code == 302
    )
    site = site_settings.load()
    assert site.hook_address.open() == "https://hooks.example.org/in/T0KEN"
    assert site.hook_secret.open() == "sixteen characters!"


def test_a_webhook_is_taken_away_with_its_secret(admin: Client) -> None:
    admin.post("/manage/settings", NOTICES)
    gone = NOTICES | {"hook_address": "", "hook_secret": "", "remove_hook": "on"}
    assert admin.post("/manage/settings", gone).status_code == 302
    site = site_settings.load()
    assert not site.hook_address and not site.hook_secret
    assert site.notice_emails == ("ops@example.org",)
    assert not Setting.objects.filter(key__startswith="hook").exists()


def test_an_admin_reads_the_limits_of_corrections_and_does_not_set_them(admin: Client) -> None:
    """Or he would raise his own, correct, and set it back."""
    site_settings.change({"admin_adjust_single": "50", "admin_adjust_day": "80"})
    wanted = {"part": "adjust_limits", "admin_adjust_single": "5000", "admin_adjust_day": ""}
    assert admin.post("/manage/settings", wanted).status_code == 403
    beside = {"part": "limits", "payments_waiting": "4", "admin_adjust_single": "5000"}
    assert admin.post("/manage/settings", beside).status_code == 302
    site = site_settings.load()
    assert (site.admin_adjust_single, site.admin_adjust_day) == (Decimal(50), Decimal(80))
    page = admin.get("/manage/settings").content.decode()
    assert "Only a superuser changes these" in page
    assert "Save limits" not in page.split('id="h-adjust-limits"')[1].split("</form>")[0]
    above = signed_in(User.objects.create_superuser("sue@example.org", world.PASSWORD))
    assert above.post("/manage/settings", wanted).status_code == 302
    site = site_settings.load()
    assert (site.admin_adjust_single, site.admin_adjust_day) == (Decimal(5000), None)
    assert "Only a superuser changes these" not in above.get("/manage/settings").content.decode()
