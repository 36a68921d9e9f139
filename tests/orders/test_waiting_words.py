"""Why an order waits is told to staff in sentences, not in the words that are stored."""

import ast
import html
import inspect
import re
from types import ModuleType

import pytest
from django.test import Client

from orders import recording, screening, submission
from orders.holding import BY_RUNS
from orders.models import Submission
from orders.waiting_words import WORDS, attempt_words, waiting_words
from providers.adapters import base, http, standard
from providers.adapters import classify as classifying
from providers.adapters.classify import classify
from providers.adapters.errors import REFUSAL_KINDS
from tests import staff_world, world
from tests.providers.test_corpus import ENTRIES

REVIEWS = (screening.BY_SERVICE, screening.BY_CHARGE, screening.BY_CUSTOMER, screening.BY_LINK, BY_RUNS)


@pytest.mark.parametrize("stored", [*REVIEWS, *REFUSAL_KINDS, "not_sent", "lost", "restored"])
def test_every_word_that_is_stored_has_a_sentence(stored: str) -> None:
    assert stored in WORDS and " " in waiting_words(stored) and "_" not in waiting_words(stored)


def said(stored: str) -> str:
    """Its sentence; the test fails where there is none."""
    words = waiting_words(stored)
    assert words != stored and " " in words and "_" not in words, stored
    return words


# What the corpus of answers does not hold: for every reason of providers.adapters.classify one that leads to it.
DOUBTS = {
    (None, b""): "no_answer",
    (None, b'{"order": 1, "error": null}'): "http_0",
    (200, b""): "empty",
    (200, b"<html>"): "html",
    (200, b"[]"): "list",
    (200, b'{"order": 1'): "truncated",
    (200, b"done"): "not_json",
    (200, b'{"order": 1} {"order": 2}'): "noise",
    (200, b'{"order": [1, 2]}'): "odd_id",
    (200, b'{"order": 1, "error": "x"}'): "error_beside_id",
    (200, b"{}"): "no_id",
    (200, b'{"error": "Incorrect order ID"}'): "no_information",
    (200, b'{"error": "Database error"}'): "internal_error",
    (302, b""): "redirect",
    (404, b""): "http_404",
    (502, b"Bad Gateway"): "http_5xx",
}


@pytest.mark.parametrize(("answer", "reason"), DOUBTS.items(), ids=DOUBTS.values())
def test_every_doubt_about_an_answer_has_a_sentence(answer: tuple[int | None, bytes], reason: str) -> None:
    verdict = classify(True, *answer)
    assert (verdict.kind, verdict.reason) == ("unknown", reason)
    said(reason)


@pytest.mark.parametrize("status", [None, 200, 201, 301, 400, 403, 404, 422, 429, 500, 502, 503, 522])
def test_no_answer_of_the_corpus_leaves_staff_with_a_stored_word(status: int | None) -> None:
    for entry in ENTRIES:
        verdict = classify(True, status, entry["body"].encode())
        if verdict.kind == "unknown":
            said(verdict.reason)


def reasons_in(module: ModuleType) -> set[str]:
    """The reasons written out where a module makes a doubt: Uncertain(…), Verdict("unknown", …) and the door's own."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.FunctionDef) and node.name == "_why":
            returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value]
            found |= {text for value in returned for text in texts(value)}
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id == "Uncertain":
            given = [each.value for each in node.keywords if each.arg == "reason"]
            found |= {text for value in given for text in texts(value)}
        elif node.func.id == "_uncertain" or (
            node.func.id == "Verdict" and texts(node.args[0]) == {"unknown"}
        ):
            found |= texts(node.args[1])
    return found


def texts(value: ast.expr) -> set[str]:
    if isinstance(value, ast.IfExp):
        return texts(value.body) | texts(value.orelse)
    return {value.value} if isinstance(value, ast.Constant) and isinstance(value.value, str) else set()


DOUBTERS = (classifying, http, base, standard, submission, recording)


def test_every_reason_that_the_code_writes_for_a_doubt_has_a_sentence() -> None:
    found = {reason for module in DOUBTERS for reason in reasons_in(module)}
    assert found >= {"lost", "deadline", "oversize", "html", "no_id", "internal", "unstorable", "restored"}
    assert found >= {reason for reason in DOUBTS.values() if reason not in ("http_0", "http_404")}
    for reason in found | {recording.LOST}:
        said(reason)


def test_a_lost_answer_blames_nobody() -> None:
    """Two write it: the sweeper, whose worker vanished, and the call whose connection broke."""
    assert said("lost") == "No answer came: the connection broke, or the process that sent it ended"


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


@pytest.mark.django_db
def test_an_attempt_says_in_a_sentence_why_it_failed_on_both_pages() -> None:
    order = staff_world.doubtful(world.order(world.customer(), world.service(world.offer(world.provider()))))
    attempt = order.submission.attempts.get()
    client = staff_world.signed_in(world.admin())
    for reason in ("rate_limit", "not_sent", "error_beside_id", "http_5xx"):
        attempt.reason = reason
        attempt.save(update_fields=["reason"])
        for address in (f"/staff/orders/{order.pk}", f"/orders/{order.pk}"):
            page = client.get(address).content.decode()
            assert attempt_words(reason) in html.unescape(page), (reason, address)
            assert reason not in page, (reason, address)
