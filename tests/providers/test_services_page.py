"""The price list: what is on it, at whose rates, how it is found, and what it costs to show."""

import csv
import io
import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.models import PriceGroup, User
from providers.browsing import about
from providers.models import Favorite, MarkupRule, Provider, Route, Service, SpecialRate
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return world.customer()


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


@pytest.fixture
def meridian() -> Provider:
    return world.provider(name="Meridian Secret")


@pytest.fixture
def views(meridian: Provider) -> Service:
    return world.service(
        world.offer(meridian), rate="2.00", median_seconds=50_000, delivery_note="Real inventory"
    )


@pytest.fixture
def podcast(meridian: Provider) -> Service:
    offer = world.offer(meridian, "2", name="Podcast listens", category="Audio", refill=False, cancel=False)
    return world.service(offer, rate="14.20", description="Host-read <b>spots</b>")


def test_how_a_service_is_delivered_stands_below_its_name_with_its_label(views: Service) -> None:
    page = signed_in(world.customer("carol@example.org")).get("/services/")
    said = text_of(page)
    assert said.count("How it is delivered: Real inventory") == 2, "below the name, and whole in what opens"
    assert said.count("How it is delivered") == 2


def ids(page: HttpResponse) -> list[int]:
    return [int(number) for number in re.findall(r'<tr id="service-(\d+)"', page.content.decode())]


def text_of(page: HttpResponse) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode()))


def rows_of(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_an_empty_list_says_so(browser: Client) -> None:
    assert "No services yet" in text_of(browser.get("/services/"))


def test_it_shows_what_is_on_sale_by_category(browser: Client, views: Service, podcast: Service) -> None:
    page = browser.get("/services/")
    words = text_of(page)
    assert ids(page) == [podcast.pk, views.pk]  # Audio before Display
    assert words.index("Audio 1") < words.index("Podcast listens") < words.index("Display 1")
    assert "$2.00 per 1000" in words and "Real inventory" in words and "14 h" in words
    assert f"/orders/new?service={views.pk}" in page.content.decode()
    assert "Host-read &lt;b&gt;spots&lt;/b&gt;" in page.content.decode()
    assert "Meridian Secret" not in page.content.decode()


def test_what_cannot_be_ordered_is_not_listed(browser: Client, views: Service, podcast: Service) -> None:
    Service.objects.filter(pk=views.pk).update(published=False)
    assert ids(browser.get("/services/")) == [podcast.pk]
    podcast.routes.get().offer.provider.__class__.objects.update(archived_at="2026-01-01T00:00:00Z")
    assert ids(browser.get("/services/")) == []


def test_search_and_filters(browser: Client, alice: User, views: Service, podcast: Service) -> None:
    Favorite.objects.create(user=alice, service=podcast)

    def found(**asked: Any) -> list[int]:
        return ids(browser.get("/services/", asked))

    assert found(q="podcast") == [podcast.pk]
    assert found(q=views.pk)[0] == views.pk
    assert found(category=views.category_id) == [views.pk]
    assert found(favorites="1") == [podcast.pk]
    assert found(refill="1") == found(cancel="1") == [views.pk]
    assert found(q="nothing") == []
    assert found(q="\0", category="x", page="x") == [podcast.pk, views.pk]
    assert "Clear filters" in text_of(browser.get("/services/?q=nothing"))


def test_rates_are_the_visitors_own(browser: Client, alice: User, views: Service, podcast: Service) -> None:
    group = PriceGroup.objects.create(name="Agencies")
    User.objects.filter(pk=alice.pk).update(price_group=group)
    MarkupRule.objects.create(scope="everything", price_group=group, percent=Decimal(30))
    SpecialRate.objects.create(user=alice, service=podcast, rate=Decimal("9.87654"))
    words = text_of(browser.get("/services/"))
    assert "$1.30 per 1000" in words
    assert "$9.87654 per 1000" in words
    assert "$2.00" not in words
    assert "$2.00 per 1000" in text_of(signed_in(world.bob()).get("/services/"))


def test_a_star_is_set_and_taken_away(browser: Client, alice: User, views: Service) -> None:
    address = f"/services/{views.pk}/favorite"
    assert browser.post(address, {"next": "/services/?q=x"})["Location"] == "/services/?q=x"
    assert Favorite.objects.filter(user=alice, service=views).count() == 1
    button = browser.post(address, headers={"HX-Request": "true"}).content.decode()
    assert 'aria-pressed="false"' in button and "<html" not in button
    assert not Favorite.objects.exists()
    assert browser.post("/services/999999/favorite").status_code == 404
    assert browser.post(address, {"next": "https://evil.example/"})["Location"] == "/services/"


def test_the_price_list_as_csv(browser: Client, alice: User, views: Service, podcast: Service) -> None:
    Service.objects.filter(pk=views.pk).update(name="=cmd()")
    SpecialRate.objects.create(user=alice, service=podcast, discount_percent=Decimal(50))
    rows = {row["id"]: row for row in rows_of(browser.get("/services/prices.csv"))}
    assert rows[str(views.pk)]["name"] == "'=cmd()"
    assert rows[str(views.pk)]["rate"] == "2.00000000"
    assert Decimal(rows[str(podcast.pk)]["rate"]) == Decimal("7.1")
    assert (rows[str(podcast.pk)]["refill_days"], rows[str(podcast.pk)]["cancel"]) == ("0", "0")
    assert [row["id"] for row in rows_of(browser.get("/services/prices.csv?q=podcast"))] == [str(podcast.pk)]


def test_a_long_list_comes_in_pages_and_costs_no_more_queries(browser: Client, views: Service) -> None:
    browser.get("/services/")
    with CaptureQueriesContext(connection) as one:
        browser.get("/services/")
    of = views.routes.get().offer.provider
    for number in range(10, 130):
        world.service(world.offer(of, str(number), name=f"S{number}", category=f"C{number % 9}"))
    with CaptureQueriesContext(connection) as many:
        first = browser.get("/services/")
    assert len(many) == len(one) <= 14
    assert len(ids(first)) == 50
    assert "1 to 50 of 121" in text_of(first)
    rest = ids(browser.get("/services/?page=3"))
    assert len(rest) == 21 and not set(rest) & set(ids(first))


def test_its_totals_have_the_separators_of_the_language(browser: Client, alice: User, views: Service) -> None:
    offer = views.routes.get().offer
    copies = [Service(pk=10_000 + n, category=views.category, name=f"Copy {n}", service_type="default", minimum=1,
        maximum=9, rate=views.rate, cost_rate=views.cost_rate, published=True) for n in range(1233)]  # fmt: skip
    Route.objects.bulk_create(
        Route(service=made, offer=offer) for made in Service.objects.bulk_create(copies)
    )
    pages = [browser.get(path).content.decode() for path in ("/services/", "/orders/new")]
    found = browser.get("/orders/services", headers={"HX-Request": "true"}).content.decode()
    assert (
        all("All categories (1,234)" in page for page in pages)
        and "of 1,234" in pages[1]
        and "of 1,234" in found
    )
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", pages[0]))
    assert "1,234 services" in words and re.search(r"1 to \d+ of 1,234", words), re.findall(
        r".{20}1,?234.{20}", words
    )
    User.objects.filter(pk=alice.pk).update(language="de")
    for path in ("/services/", "/orders/new"):
        page = browser.get(path).content.decode()
        assert "Alle Kategorien (1.234)" in page and not re.search(r">[^<]*\b1,?234\b", page)


def test_the_category_can_be_shown_without_script(browser: Client, views: Service) -> None:
    page = browser.get("/services/").content.decode()
    form = page.partition('id="category"')[2].partition("</form>")[0]
    assert re.search(r"<noscript><button class=\"btn [^\"]*\">Show</button></noscript>", form)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (30, "1 min"),
        (2400, "40 min"),
        (5400, "2 h"),
        (50_400, "14 h"),
        (129_600, "2 d"),
        (691_200, "8 d"),
    ],
)
def test_a_median_is_said_in_its_largest_unit(seconds: int | None, words: str) -> None:
    assert about(seconds) == words
