"""`{% load rows %}`: parts of long lists say what templates said, in the reader's language, and keep nothing else's."""

import pytest
from django.urls import reverse
from django.utils import translation
from django.utils.safestring import mark_safe

from orders import listing
from orders.models import Order
from panel.templatetags import rows, show
from providers.browsing import Wanted, first_of, line, matching, shelves
from tests import world
from tests.staff_world import doubtful

EVIL = "<script>alert(1)</script>"


@pytest.mark.parametrize("name", ["order", "order_refill", "order_cancel", "favorite", "report_service"])
def test_an_address_is_the_one_that_reverse_finds(name: str) -> None:
    assert rows.address(90412, name) == reverse(name, args=[90412])


def test_a_text_that_was_safe_once_does_not_make_the_same_text_safe() -> None:
    assert EVIL in show.icon("x", label=mark_safe(EVIL))  # noqa: S308 - what must not be kept for others
    assert EVIL not in show.icon("x", label=EVIL)
    assert EVIL in show.status_badge("held", mark_safe(EVIL))  # noqa: S308
    assert EVIL not in show.status_badge("held", EVIL)


def test_only_a_web_address_becomes_a_link() -> None:
    assert 'href="https://example.org/a"' in rows.outside_link("https://example.org/a", "sm")
    for text in ("javascript:alert(1)", EVIL, "example.org"):
        shown = rows.outside_link(text)
        assert "<a" not in shown and "<script" not in shown


@pytest.mark.django_db
def test_what_is_kept_for_one_language_is_not_said_in_another() -> None:
    service = world.service(world.offer(world.provider()), refill_days=30)
    found = line(world.customer(), service.pk)
    assert found is not None
    with translation.override("en"):
        assert "Refill 30 days" in rows.service_facts(found)
        assert "30 days after the order ended" in rows.service_terms(service)
        assert "30 d" in rows.after_sale(service)
    with translation.override("de"):
        assert "Auffüllung 30 Tage" in rows.service_facts(found)
        assert "30 Tage nach dem Ende der Bestellung" in rows.service_terms(service)
        assert "30 T" in rows.after_sale(service)
    with translation.override("en"):
        assert "Refill 30 days" in rows.service_facts(found)


@pytest.mark.django_db
def test_a_changed_service_is_shown_as_it_is_now() -> None:
    service = world.service(world.offer(world.provider()), refill_days=30)
    assert "30 d" in rows.after_sale(service)
    service.refill, service.cancel, service.lines_label = False, False, EVIL
    assert rows.after_sale(service) == '<span class="t3 hide-s">–</span>'
    service.service_type = "custom comments"
    shown = rows.service_terms(service)
    assert "No refill" in shown and "&lt;script&gt;" in shown and EVIL not in shown


@pytest.mark.django_db
def test_the_note_beside_a_status_says_the_most_pressing_thing() -> None:
    alice = world.customer()
    order = world.order(alice, world.service(world.offer(world.provider())))

    def note(waiting: str = "") -> str:
        [row] = listing.page(alice, listing.Asked()).rows
        return str(rows.order_note(row, waiting))

    assert note() == ""
    assert note("Refill requested") == '<span class="sub">Refill requested</span>'
    Order.objects.filter(pk=order.pk).update(refunded="0.5")
    assert note() == '<span class="sub tn">$0.50 returned</span>'
    doubtful(order)
    assert note("Refill requested") == '<span class="sub">being verified</span>'


@pytest.mark.django_db
@pytest.mark.parametrize(("start", "stop"), [(0, 3), (0, 4), (2, 5), (4, 9), (6, 20), (0, 100), (50, 60)])
def test_a_page_through_the_shelves_is_the_page_of_the_whole_list(start: int, stop: int) -> None:
    alice, of = world.customer(), world.provider()
    for number in range(10):
        world.service(world.offer(of, str(number), name=f"S{number}", category=f"C{number % 3}"))
    found, wanted = matching(alice, Wanted()), Wanted()
    whole = [service.pk for service in found]
    assert [service.pk for service in first_of(found, wanted, shelves(), start, stop)] == whole[start:stop]
