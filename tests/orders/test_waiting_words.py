"""Why an order waits is told to staff in sentences, not in the words that are stored."""

import re

import pytest
from django.test import Client

from orders import screening
from orders.models import Submission
from orders.waiting_words import WORDS, waiting_words
from providers.adapters.errors import REFUSAL_KINDS
from tests import staff_world, world

REVIEWS = (screening.BY_SERVICE, screening.BY_CHARGE, screening.BY_CUSTOMER, screening.BY_LINK)


@pytest.mark.parametrize("stored", [*REVIEWS, *REFUSAL_KINDS, "not_sent", "lost", "restored"])
def test_every_word_that_is_stored_has_a_sentence(stored: str) -> None:
    assert stored in WORDS and " " in waiting_words(stored) and "_" not in waiting_words(stored)


def test_an_answers_status_is_named_and_an_unknown_word_is_kept() -> None:
    assert waiting_words("http_502") == "The provider answered with HTTP 502"
    assert (waiting_words("odd_new_word"), waiting_words("")) == ("odd_new_word", "")


@pytest.mark.django_db
def test_the_order_page_of_staff_says_it() -> None:
    order = world.order(world.customer(), world.service(world.offer(world.provider())))
    Submission.objects.filter(pk=order.pk).update(state="held", waits_for=screening.BY_CHARGE)
    staff: Client = staff_world.signed_in(world.reviewer())
    page = staff.get(f"/staff/orders/{order.pk}").content.decode()
    assert "its charge is above the limit for review" in page and screening.BY_CHARGE not in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "label"), [("held", "Why it waits"), ("queued", "Why it waits"), ("rejected", "Reason")]
)
def test_an_order_that_ended_waits_for_nothing(state: str, label: str) -> None:
    order = world.order(world.customer(), world.service(world.offer(world.provider())))
    Submission.objects.filter(pk=order.pk).update(waits_for="link")
    if state != "queued":
        Submission.objects.filter(pk=order.pk).update(state=state)
    staff: Client = staff_world.signed_in(world.reviewer())
    for address in (f"/staff/orders/{order.pk}", f"/orders/{order.pk}"):
        page = staff.get(address).content.decode()
        assert re.search(rf"<dt>{label}</dt><dd[^>]*>The provider did not accept the link</dd>", page), (
            address
        )


@pytest.mark.django_db
def test_a_case_without_a_reason_of_its_attempt_says_why_the_order_waits() -> None:
    doubt = staff_world.doubtful(world.order(world.customer(), world.service(world.offer(world.provider()))))
    doubt.submission.attempts.update(reason="")
    Submission.objects.filter(pk=doubt.pk).update(waits_for="restored")
    staff: Client = staff_world.signed_in(world.reviewer())
    assert "The database was restored" in staff.get("/staff/unknown").content.decode()
