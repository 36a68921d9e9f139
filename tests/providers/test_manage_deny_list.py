"""The deny-list on its page: an entry takes offers off sale, removing it gives them back."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from customers.models import AuditEntry
from providers.catalog import sync_catalog
from providers.models import Denial, Offer, Provider
from providers.publishing import publish
from tests import staff_world, world
from tests.providers.shop import Upstream, connected, everything_at, service_of
from tests.providers.test_manage_providers import text_of

pytestmark = pytest.mark.django_db
PAGE = "/manage/deny-list"


@pytest.fixture
def browser() -> Client:
    return staff_world.signed_in(world.admin())


@pytest.fixture
def meridian(shop: Upstream) -> Provider:
    everything_at(25)
    shop.list_many(2)
    shop.list(3, name="Casino banners")
    provider = connected(shop)
    sync_catalog(provider, apply=True)
    publish(provider)
    return provider


def entry(**values: str) -> dict[str, str]:
    return {
        "kind": "word",
        "text": "Casino",
        "scope": "all",
        "reason": "No gambling here",
        "until": "",
    } | values


def test_a_denied_word_takes_its_offers_off_sale_at_once_and_says_how_many(
    browser: Client, meridian: Provider
) -> None:
    assert "Nothing is denied" in text_of(browser.get(PAGE))
    answer = text_of(browser.post(PAGE, entry(), follow=True))
    assert "“casino” is on the list. 1 offer is held back by it; open orders go on." in answer
    assert "No gambling here" in answer and "Casino banners" in answer
    assert "deny-list" in service_of(meridian, 3).off_sale
    assert service_of(meridian, 1).off_sale == ""
    assert AuditEntry.objects.filter(verb="deny_list.add", actor__email="adam@example.org").exists()


def test_what_an_entry_holds_back_is_shown_first_and_held_on_a_yes(
    browser: Client, meridian: Provider
) -> None:
    world.order(world.customer(), service_of(meridian, 3))
    shown = browser.post(PAGE, entry(preview="1"))
    said = text_of(shown)
    assert "Deny “casino”?" in said
    assert "1 offer goes off sale. 1 open order of a service that goes off sale goes on." in said
    assert "It would be off sale: Held back: “casino” is on the deny-list (No gambling here)." in said
    assert 'value="No gambling here"' in shown.content.decode(), "nothing is lost"
    assert not Denial.objects.exists() and service_of(meridian, 3).off_sale == ""
    browser.post(PAGE, entry())
    denial = Denial.objects.get()
    asked = text_of(browser.post(f"{PAGE}/{denial.pk}/remove", {"preview": "1"}))
    assert "Take “casino” off the list?" in asked and "1 offer may be sold again." in asked
    assert service_of(meridian, 3).off_sale
    world.order(world.bob(), service_of(meridian, 1), link="https://tube.example/x")
    host = text_of(browser.post(PAGE, entry(kind="host", text="tube.example", preview="1")))
    assert "Of the last 2 orders it would have refused 1; 1 of these are open and go on." in host
    plain = browser.post(PAGE, entry(text="lottery", preview="1"))
    assert plain.status_code == 302, "nothing follows from it: it is put on the list at once"


def test_removing_the_entry_gives_them_back(browser: Client, meridian: Provider) -> None:
    browser.post(PAGE, entry(), follow=True)
    denial = Denial.objects.get()
    answer = text_of(browser.post(f"{PAGE}/{denial.pk}/remove", follow=True))
    assert "“casino” is off the list. 1 offer may be sold again." in answer
    assert service_of(meridian, 3).off_sale == ""
    assert not Offer.objects.exclude(on_hold="").exists()


def test_what_cannot_be_an_entry_is_said_beside_the_field(browser: Client) -> None:
    browser.post(PAGE, entry())
    for values, said in (
        (entry(), "is on the list already"),
        (entry(text="x"), "2 to 254 characters"),
        (entry(text="lottery", until="2020-01-01"), "has passed"),
        (entry(text="lottery", reason=""), "This field is required"),
        (entry(text="lottery", kind="colour"), "Select a valid choice"),
    ):
        answer = browser.post(PAGE, values)
        assert (answer.status_code, said in text_of(answer)) == (422, True), said
    wrong = browser.post(PAGE, entry(kind="category", text="betting", scope="signup"))
    assert (wrong.status_code, "has no scope" in text_of(wrong)) == (422, True)
    assert Denial.objects.count() == 1


def test_every_kind_of_the_model_can_be_chosen_and_is_a_tab(browser: Client) -> None:
    Denial.objects.create(kind="category", text="betting", reason="No gambling here")
    Denial.objects.create(
        kind="word", text="old", reason="Was so", until=timezone.now().date() - timedelta(days=1)
    )
    html = browser.get(PAGE).content.decode()
    for value in Denial.Scope.values:
        assert f'<option value="{value}"' in html
    for value in Denial.Kind.values:
        assert f'<option value="{value}">' in html
        assert f'href="{PAGE}?kind={value}"' in html
    assert "over since" in text_of(browser.get(f"{PAGE}?kind=word"))
    assert "betting" not in text_of(browser.get(f"{PAGE}?kind=word"))
