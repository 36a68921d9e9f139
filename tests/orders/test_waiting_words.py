"""Why an order waits is told to staff in sentences, not in the words that are stored."""

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
