"""The review queue: what waits is shown in order, decided once, undone in time, and refused with reasons."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers import wallet
from customers.models import AuditEntry, User
from orders.models import Order, OrderEvent, Request, Submission
from orders.requests import decide
from orders.staff import review_queue
from providers.models import Provider, Service
from tests import staff_world, world

pytestmark = pytest.mark.django_db


@pytest.fixture
def impressions() -> Service:
    return world.service(world.offer(world.provider()), rate="2.00", median_seconds=600)


@pytest.fixture
def alice() -> User:
    return world.customer(name="Alice Ames")


@pytest.fixture
def rita() -> User:
    return world.reviewer()


@pytest.fixture
def client(rita: User) -> Client:
    return staff_world.signed_in(rita)


@pytest.fixture
def refill(alice: User, impressions: Service) -> Request:
    order = staff_world.completed(world.order(alice, impressions), start_count=5000)
    return staff_world.refill_asked(order, 51, reason="It dropped", current_count=5214)


@pytest.fixture
def cancel(alice: User, impressions: Service) -> Request:
    order = staff_world.accepted(world.order(alice, impressions, "https://example.org/c"), remains=600)
    return staff_world.cancel_asked(order, 19, reason="Wrong page")


def ids(html: str) -> list[int]:
    return [int(number) for number in re.findall(r'id="request-(\d+)"', html)]


def text(html: str) -> str:
    """What is read on the page, in one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def send(client: Client, url: str, **data: Any) -> str:
    response = client.post(url, data, follow=True)
    assert response.status_code == 200, response.status_code
    return text(response.content.decode())


def approve(client: Client, *requests: Request) -> str:
    pks = [request.pk for request in requests]
    return send(client, "/staff/review/decide", ids=pks, decision="approve", stands="list")


def test_it_lists_what_waits_longest_first_with_words_for_the_colors(
    client: Client, refill: Request, cancel: Request
) -> None:
    page = client.get("/staff/review").content.decode()
    assert ids(page) == [refill.pk, cancel.pk]
    shown = text(page)
    for words in (
        "2 d 3 h over 24 h",
        "19 h close to 24 h",
        "786 missing",
        "$1.20 back",
        "“Wrong page”",
        "Alice Ames",
        "Meridian",
    ):
        assert words in shown
    assert 'class="tn m neg"' in page and 'class="tn m cau"' in page


def test_the_pane_says_what_the_rules_say(client: Client, refill: Request, cancel: Request) -> None:
    shown = text(client.get("/staff/review").content.decode())
    for words in ("Should be at least 6,000", "Count now, from customer 5,214", "Missing 786",
                  "Inside the 30-day refill window", "No refill yet on this order.", "“It dropped”"):  # fmt: skip
        assert words in shown
    other = text(client.get(f"/staff/review/{cancel.pk}").content.decode())
    for words in ("The service can be canceled.", "600 of 1,000 remain.", "Comes back now $1.20 back"):
        assert words in other


def test_earlier_refills_a_closed_window_and_no_loss_are_warned_about(
    client: Client, alice: User, impressions: Service
) -> None:
    order = staff_world.completed(world.order(alice, impressions), start_count=100)
    for state in ("done", "requested"):
        Request.objects.create(
            order=order, kind="refill", state=state, created_by="customer", current_count=1100
        )
    Order.objects.filter(pk=order.pk).update(ended_at=timezone.now() - timedelta(days=40))
    last = Request.objects.get(state="requested")
    shown = text(client.get(f"/staff/review/{last.pk}").content.decode())
    for words in (
        "Asked after the 30-day refill window",
        "1 earlier refill on this order",
        "nothing is missing",
    ):
        assert words in shown


def test_refused_by_the_provider_and_unclear_ones_come_first(
    client: Client, alice: User, refill: Request, cancel: Request, impressions: Service
) -> None:
    young = staff_world.cancel_asked(
        staff_world.accepted(world.order(alice, impressions, "https://example.org/y"))
    )
    Request.objects.filter(pk=young.pk).update(upstream_message="Cannot be canceled now")
    staff_world.unclear(refill)
    Request.objects.filter(pk=refill.pk).update(created_at=timezone.now())
    page = client.get("/staff/review").content.decode()
    assert ids(page) == [young.pk, refill.pk, cancel.pk]
    assert "Refused: Cannot be canceled now" in text(page)
    assert "No clear answer from the provider" in text(page)


def test_tabs_count_and_filter(client: Client, refill: Request, cancel: Request, rita: User) -> None:
    OrderEvent.objects.create(order=cancel.order, kind="request", actor=rita.email, after="cancel approved")
    for tab, expected in {
        "all": [refill, cancel], "refill": [refill], "cancel": [cancel], "late": [refill], "mine": [cancel],
    }.items():  # fmt: skip
        assert ids(client.get(f"/staff/review?tab={tab}").content.decode()) == [row.pk for row in expected]
    counts = re.findall(r'class="n">(\d+)<', client.get("/staff/review").content.decode())
    assert counts == ["2", "1", "1", "1", "1"]
    provider = cancel.order.submission.provider_id
    assert len(ids(client.get(f"/staff/review?provider={provider}").content.decode())) == 2
    Request.objects.filter(pk=refill.pk).update(reason="The counter DROPPED again")
    Request.objects.filter(pk=cancel.pk).update(reason="")
    for reason, expected in {"dropped": [refill], "-": [cancel], "other": [], "": [refill, cancel]}.items():
        page = client.get("/staff/review", {"reason": reason, "provider": provider}).content.decode()
        assert ids(page) == [row.pk for row in expected], reason
    page = client.get("/staff/review?reason=dropped").content.decode()
    assert "?tab=cancel&amp;reason=dropped" in page and 'name="reason" value="dropped"' in page
    kept = {"ids": refill.pk, "decision": "reject", "note": "No", "reason": "dropped", "tab": "all"}
    assert "reason=dropped" in client.post("/staff/review/decide", kept)["Location"]


@pytest.fixture
def pages_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_queue, "MOST_AT_ONCE", 3)


@pytest.fixture
def eight(alice: User, impressions: Service, pages_of_three: None) -> list[int]:
    """As the queue lists them: two that the provider refused, then the longest waiting; two were asked at one moment."""
    made = [
        staff_world.cancel_asked(
            staff_world.accepted(world.order(alice, impressions, f"https://example.org/{at}")), 30 - at
        )
        for at in range(8)
    ]
    Request.objects.filter(pk__in=[made[5].pk, made[7].pk]).update(upstream_message="Not now")
    Request.objects.filter(pk__in=[made[1].pk, made[2].pk]).update(created_at=made[1].created_at)
    return [made[at].pk for at in (5, 7, 0, 1, 2, 3, 4, 6)]


def link(html: str, rel: str) -> str:
    found = re.search(rf'href="(/staff/review\?[^"]*)" rel="{rel}"', html)
    return found[1].replace("&amp;", "&") if found else ""


def test_the_queue_goes_on_page_by_page_in_its_order_and_back(client: Client, eight: list[int]) -> None:
    html, seen, pages = client.get("/staff/review?tab=cancel").content.decode(), [], []
    while True:
        seen += ids(html)
        pages.append(html)
        if not link(html, "next"):
            break
        html = client.get(link(html, "next")).content.decode()
    assert seen == eight
    assert [re.findall(r"\d+ to \d+ of \d+", text(page))[0] for page in pages] == [
        "1 to 3 of 8",
        "4 to 6 of 8",
        "7 to 8 of 8",
    ]
    assert all("tab=cancel" in link(page, "next") for page in pages[:-1])
    back = client.get(link(pages[2], "prev")).content.decode()
    assert ids(back) == eight[3:6]
    assert f'id="request-{eight[5]}" class="cur"' in back  # K goes on upwards from its last row
    first = client.get(link(back, "prev")).content.decode()
    assert ids(first) == eight[:3] and not link(first, "prev")


def test_a_decision_leads_to_the_next_request_also_over_the_end_of_a_page(
    client: Client, eight: list[int]
) -> None:
    second = link(client.get("/staff/review").content.decode(), "next")
    page = client.get(f"{second}&at={eight[5]}").content.decode()
    after = re.findall(r'name="after" value="([^"]*)"', page)[0]
    assert f'name="next" value="{eight[6]}"' in page
    answer = client.post(
        "/staff/review/decide",
        {"ids": eight[5], "decision": "approve", "next": eight[6], "after": after, "stands": "list"},
        follow=True,
    )
    html = answer.content.decode()
    assert ids(html) == [*eight[3:5], eight[6]]
    assert f'id="request-{eight[6]}" class="cur"' in html
    # all of the page at once: the next ones take their place; when nothing follows, the list begins again
    many = {"ids": [*eight[3:5], eight[6]], "decision": "approve", "after": after}
    assert ids(client.post("/staff/review/decide", many, follow=True).content.decode()) == [eight[7]]
    last = {"ids": [eight[7]], "decision": "approve", "after": after}
    assert ids(client.post("/staff/review/decide", last, follow=True).content.decode()) == eight[:3]


def test_requests_on_pages_of_their_own_lead_over_the_end_of_a_list_page(
    client: Client, eight: list[int]
) -> None:
    seen, at = [eight[0]], f"/staff/review/{eight[0]}"
    while found := re.search(
        r'href="(/staff/review/(\d+)[^"]*)" rel="next"', client.get(at).content.decode()
    ):
        if int(found[2]) in seen:
            break
        seen.append(int(found[2]))
        at = found[1].replace("&amp;", "&")
    assert seen == eight
    assert "8 of 8" in text(client.get(at).content.decode())


@pytest.mark.parametrize("after", ["1", "2-5-5", "1-99999999999999999-1", "1-x-1", "1-5-٣", "'"])
def test_a_place_that_is_none_is_the_first_page(client: Client, eight: list[int], after: str) -> None:
    assert ids(client.get("/staff/review", {"after": after}).content.decode()) == eight[:3]


def test_approving_waits_ten_seconds_and_can_be_undone(client: Client, refill: Request, rita: User) -> None:
    shown = approve(client, refill)
    refill.refresh_from_db()
    assert (refill.state, refill.decided_by) == ("approved", rita)
    assert timedelta(seconds=5) < refill.next_at - timezone.now() <= timedelta(seconds=10)
    assert "1 approval is sent in a moment" in shown and "Undo" in shown
    assert "1 approval was taken back. Nothing was sent." in send(
        client, "/staff/review/undo", ids=[refill.pk]
    )
    refill.refresh_from_db()
    assert (refill.state, refill.decided_by) == ("requested", None)


def test_an_undo_that_comes_too_late_says_so(client: Client, refill: Request) -> None:
    approve(client, refill)
    Request.objects.filter(pk=refill.pk).update(next_at=timezone.now())
    assert "cannot be undone" in send(client, "/staff/review/undo", ids=[refill.pk])
    refill.refresh_from_db()
    assert refill.state == "approved"


def test_nobody_undoes_anothers_approval(client: Client, refill: Request) -> None:
    decide(refill.pk, approve=True, user=world.reviewer("max@example.org"), undo_s=10)
    send(client, "/staff/review/undo", ids=[refill.pk])
    refill.refresh_from_db()
    assert refill.state == "approved"


def test_rejecting_needs_a_note_and_keeps_the_request(client: Client, cancel: Request) -> None:
    for stands in ("list", "page"):
        response = client.post(
            "/staff/review/decide", {"ids": cancel.pk, "decision": "reject", "note": " ", "stands": stands}
        )
        assert response.status_code == 422
        assert "A note to the customer is needed" in response.content.decode()
    cancel.refresh_from_db()
    assert cancel.state == "requested"
    shown = send(
        client,
        "/staff/review/decide",
        ids=cancel.pk,
        decision="reject",
        note="It runs already",
        stands="list",
    )
    assert "Rejected. The customer sees your note" in shown
    cancel.refresh_from_db()
    assert (cancel.state, cancel.note) == ("denied", "It runs already")
    assert wallet.balance_of(cancel.order.user) == 98
    world.sane()


def test_the_second_decision_is_refused_with_what_the_first_was(client: Client, refill: Request) -> None:
    decide(refill.pk, approve=False, user=world.reviewer("max@example.org"), note="No")
    shown = approve(client, refill)
    assert (
        "This request was decided already: rejected by Rita Reviewer. Your decision changed nothing." in shown
    )
    refill.refresh_from_db()
    assert (refill.state, refill.note) == ("denied", "No")


def test_many_are_decided_with_one_list_of_results(client: Client, refill: Request, cancel: Request) -> None:
    decide(refill.pk, approve=False, user=world.reviewer("max@example.org"), note="No")
    shown = approve(client, refill, cancel)
    assert "1 request approved , 1 not changed:" in shown.replace("approved,", "approved ,")
    assert f"{refill.order_id} : This request was decided already" in shown
    again = text(client.get("/staff/review").content.decode())
    assert "not changed" not in again  # the list is told once


@pytest.mark.parametrize(
    "data",
    [{}, {"decision": "approve"}, {"decision": "maybe", "ids": "1"}, {"decision": "approve", "ids": "x"}],
)
def test_a_form_that_says_nothing_decides_nothing(
    client: Client, refill: Request, data: dict[str, str]
) -> None:
    assert "Nothing was decided" in send(client, "/staff/review/decide", **data)
    refill.refresh_from_db()
    assert refill.state == "requested"


def test_more_than_a_hundred_are_refused_whole(client: Client, refill: Request) -> None:
    many = [refill.pk, *range(10_000, 10_100)]
    assert "between 1 and 100" in send(client, "/staff/review/decide", ids=many, decision="approve")
    refill.refresh_from_db()
    assert refill.state == "requested"


@pytest.mark.parametrize(
    ("data", "state"),
    [
        ({"choice": "exists", "upstream_id": "R77", "seen_there": "on"}, "accepted"),
        ({"choice": "again"}, "approved"),
        ({"choice": "close", "note": "Not possible"}, "denied"),
        ({"choice": "exists"}, "unknown"),
        ({"choice": "close", "note": " "}, "unknown"),
        ({"choice": "else"}, "unknown"),
    ],
)
def test_a_refill_without_a_clear_answer_has_three_ways_out(
    client: Client, refill: Request, data: dict[str, str], state: str
) -> None:
    staff_world.unclear(refill)
    page = text(client.get(f"/staff/review/{refill.pk}").content.decode())
    assert "The provider gave no clear answer." in page
    client.post(f"/staff/review/{refill.pk}/settle", data)
    refill.refresh_from_db()
    assert refill.state == state
    assert refill.upstream_id == data.get("upstream_id", "")


def test_an_id_that_the_provider_cannot_be_asked_for_is_taken_on_a_persons_word_only(
    client: Client, refill: Request
) -> None:
    staff_world.unclear(refill)
    Provider.objects.update(key="")
    url, typed = f"/staff/review/{refill.pk}/settle", {"choice": "exists", "upstream_id": "R77"}
    assert "I saw it at the provider" not in client.get(f"/staff/review/{refill.pk}").content.decode()
    for stands in ("list", "page"):
        refused = client.post(url, typed | {"stands": stands})
        page = refused.content.decode()
        assert refused.status_code == 422
        assert "The id could not be verified: Meridian has no key" in text(page)
        assert 'value="R77"' in page and 'name="seen_there"' in page
    refill.refresh_from_db()
    assert (refill.state, refill.upstream_id) == ("unknown", "")
    assert "The refill is settled" in send(client, url, **typed, seen_there="on")
    refill.refresh_from_db()
    assert (refill.state, refill.upstream_id) == ("accepted", "R77")
    entry = AuditEntry.objects.get(verb="request.settle_exists")
    assert entry.details["refill_id"] == "R77" and "not verified" in entry.details["found"]
    note = OrderEvent.objects.get(order=refill.order_id, kind="note")
    assert note.staff_only and "R77: not verified" in note.why
    own = staff_world.signed_in(refill.order.user).get(f"/orders/{refill.order_id}").content.decode()
    assert "not verified" not in own


def test_a_refill_id_of_another_request_at_the_same_provider_is_refused(
    client: Client, alice: User, impressions: Service, refill: Request
) -> None:
    staff_world.unclear(refill)
    other = staff_world.refill_asked(staff_world.completed(world.order(alice, impressions)))
    Request.objects.filter(pk=other.pk).update(state="done", upstream_id="R77")
    typed = {"choice": "exists", "upstream_id": " R77 ", "seen_there": "on"}
    refused = client.post(f"/staff/review/{refill.pk}/settle", typed)
    assert refused.status_code == 422
    assert f"R77 belongs to order {other.order_id} already" in text(refused.content.decode())
    refill.refresh_from_db()
    assert (refill.state, refill.upstream_id) == ("unknown", "")
    elsewhere = world.provider(name="South")
    Submission.objects.filter(pk=other.order_id).update(provider=elsewhere)
    send(client, f"/staff/review/{refill.pk}/settle", **typed)
    refill.refresh_from_db()
    assert (refill.state, refill.upstream_id) == ("accepted", "R77"), "another provider counts for itself"


def test_an_internal_note_is_kept_and_is_not_the_customers(client: Client, cancel: Request) -> None:
    shown = send(client, f"/staff/review/{cancel.pk}/note", internal_note="Asked Meridian", stands="page")
    assert "Asked Meridian" in shown
    own = staff_world.signed_in(cancel.order.user).get(f"/orders/{cancel.order_id}")
    assert own.status_code == 200
    assert "Asked Meridian" not in own.content.decode()


def test_the_others_see_who_is_looking(client: Client, cancel: Request) -> None:
    client.get(f"/staff/review/{cancel.pk}")
    other = staff_world.signed_in(world.admin())
    assert "Rita is looking" in text(other.get("/staff/review").content.decode())
    assert "Rita is looking at this" in text(other.get(f"/staff/review/{cancel.pk}").content.decode())
    assert "is looking" not in client.get("/staff/review").content.decode()


def test_a_live_refresh_answers_204_until_something_changes(
    client: Client, refill: Request, cancel: Request
) -> None:
    page = client.get("/staff/review").content.decode()
    seen = re.search(r'id="queue-seen" name="seen" value="(\w+)"', page)
    assert seen is not None
    assert client.get("/staff/review/rows", {"seen": seen[1]}).status_code == 204
    decide(cancel.pk, approve=False, user=None, note="No")
    changed = client.get("/staff/review/rows", {"seen": seen[1]})
    assert (changed.status_code, ids(changed.content.decode())) == (200, [refill.pk])


def test_the_next_request_follows_a_decision(client: Client, refill: Request, cancel: Request) -> None:
    page = client.get(f"/staff/review/{refill.pk}").content.decode()
    assert f'name="next" value="{cancel.pk}"' in page
    response = client.post(
        "/staff/review/decide", {"ids": refill.pk, "decision": "approve", "stands": "page", "next": cancel.pk}
    )
    assert response["Location"] == f"/staff/review/{cancel.pk}"
    response = client.post(
        "/staff/review/decide",
        {"ids": cancel.pk, "decision": "approve", "stands": "list", "next": 7, "tab": "cancel"},
    )
    assert response["Location"] == "/staff/review?tab=cancel&at=7"


def test_answered_requests_are_listed(client: Client, cancel: Request) -> None:
    decide(cancel.pk, approve=False, user=world.admin(), note="It runs already")
    shown = text(client.get("/staff/review?state=answered").content.decode())
    assert "Adam Admin" in shown and "It runs already" in shown
    assert "This request is decided." in text(client.get(f"/staff/review/{cancel.pk}").content.decode())


def test_the_queries_do_not_grow_with_the_queue(client: Client, alice: User, impressions: Service) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as counted:
            assert client.get("/staff/review").status_code == 200
        return len(counted)

    def more(first: int, last: int) -> None:
        for at in range(first, last):
            order = world.order(alice, impressions, f"https://example.org/{at}", 100)
            staff_world.cancel_asked(staff_world.accepted(order), at)

    more(0, 2)
    client.get("/staff/review")
    few = queries()
    more(2, 12)
    assert queries() == few
    assert few <= 16


def test_cost_is_not_on_the_page(client: Client, refill: Request, cancel: Request) -> None:
    Order.objects.update(cost="1.234567")
    for path in ("/staff/review", f"/staff/review/{cancel.pk}", "/staff/review?state=answered"):
        assert "1.23" not in client.get(path).content.decode()


def test_what_a_provider_said_is_shown_without_its_amounts(client: Client, refill: Request) -> None:
    refill.upstream_message = "Not enough funds, balance: 12.30"
    refill.save(update_fields=["upstream_message"])
    for address in ("/staff/review", f"/staff/review/{refill.pk}"):
        page = client.get(address).content.decode()
        assert "Not enough funds" in page
        assert "12.30" not in page
