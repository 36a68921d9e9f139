"""The table of permissions is what pages and acts ask: each page of staff names a line of it, and the golden table of
addresses says the same."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import URLPattern, URLResolver, get_resolver

from customers import site_settings
from customers.access import allowed, require
from customers.managing import note_mark
from customers.permissions import (
    ADMIN,
    GROUPS,
    REVIEWER,
    STAFF_ROLES,
    TABLE,
    Permission,
    changes_something,
    may,
    role_of,
)
from orders import desk
from orders.staff import acting, bulk
from tests import staff_world, world
from tests.conftest import ROOT
from tests.panel.access_matrix import Address, read_table
from tests.panel.access_matrix import _readable as readable
from tests.panel.test_access_matrix import Stage, stage  # noqa: F401

# Closed to a role whose limit is 0, as it is for reviewers until the settings say otherwise.
LIMITED = {"/staff/customers/<customer_id>/adjust"}


def staff_pages() -> dict[str, Any]:
    """Every address under /staff/ and /manage/ with its view."""
    return {
        path: view for path, view in _views(get_resolver(), "/") if path.startswith(("/staff/", "/manage/"))
    }


def _views(resolver: URLResolver, before: str) -> Iterator[tuple[str, Any]]:
    for entry in resolver.url_patterns:
        path = before + readable(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _views(entry, path)
        elif isinstance(entry, URLPattern):
            yield path, entry.callback


def test_every_page_of_staff_names_its_verbs() -> None:
    unnamed = [path for path, view in staff_pages().items() if not getattr(view, "changing_verbs", ())]
    assert not unnamed, f"put @allowed(verb) on: {', '.join(unnamed)}"
    assert len(staff_pages()) > 80


def test_every_line_of_the_table_is_asked_for_somewhere() -> None:
    asked = {verb for view in staff_pages().values() for verb in (*view.reading_verbs, *view.changing_verbs)}
    assert set(TABLE) - asked == {
        "superuser.change",
        "back_office.see",
        "limits.edit",
    }  # asked within customers.team, back_office, the page of settings
    of_bulk = {verb for verbs in bulk.VERBS_OF.values() for verb in verbs}
    assert set(desk.VERB_OF.values()) | set(acting.VERB_OF.values()) | of_bulk <= set(TABLE)
    assert (set(acting.VERB_OF), set(bulk.VERBS_OF)) == (set(acting.ACTS), set(bulk.ACTS))


# Words in quotes with a dot, where a verb is asked for: @allowed("…"), require(user, "…"), may(user, "…"), user|may:"…".
ASKED = re.compile(r"""(?:\ballowed\(|\brequire\(|\bmay\(|\bchanges=|\|may:)[^()\n"]*"([a-z_]+\.[a-z_]+)\"""")


def test_every_verb_that_is_asked_for_anywhere_is_in_the_table_and_every_line_of_it_is_asked_for() -> None:
    """In decorators, inside of acts and in templates: a word that nobody may do would close a page for ever."""
    asked: dict[str, str] = {}
    for folder, suffix in (
        ("customers", "py"),
        ("providers", "py"),
        ("orders", "py"),
        ("panel", "py"),
        ("templates", "html"),
    ):
        for path in (ROOT / folder).rglob(f"*.{suffix}"):
            asked |= {verb: str(path.relative_to(ROOT)) for verb in ASKED.findall(path.read_text("utf-8"))}
    missing = {verb: path for verb, path in asked.items() if verb not in TABLE}
    assert not missing
    by_table = {verb for verbs in (desk.VERB_OF, acting.VERB_OF) for verb in verbs.values()}
    by_table |= {verb for verbs in bulk.VERBS_OF.values() for verb in verbs}
    assert set(TABLE) - set(asked) - by_table == set()


@pytest.mark.django_db
def test_every_line_of_the_table_is_shown_on_the_page_about_the_team() -> None:
    page = html.unescape(staff_world.signed_in(world.admin()).get("/manage/team").content.decode())
    missing = [verb for verb, line in TABLE.items() if str(line.words) not in page]
    assert not missing
    for heading, _lines in GROUPS:
        assert str(heading) in page


@pytest.mark.django_db
def test_a_page_whose_verb_only_reads_takes_no_post(stage: Stage) -> None:  # noqa: F811
    wrong = []
    for path, view in staff_pages().items():
        if any(changes_something(verb) for verb in view.changing_verbs):
            continue
        address = Address(
            path,
            tuple(part for part in stage.samples if f"<{part}>" in path)
            + (("pk",) if "<pk>" in path else ()),
        )
        if stage.clients["superuser"].post(stage.path_of(address)).status_code != 405:
            wrong.append(path)
    assert not wrong, f"these change something under a verb that only reads: {', '.join(wrong)}"


@pytest.mark.parametrize("role", STAFF_ROLES)
def test_the_table_says_what_the_matrix_of_addresses_says(role: str) -> None:
    matrix, wrong = read_table(), []
    for path, view in staff_pages().items():
        may_open = any(role in TABLE[verb].roles for verb in view.reading_verbs)
        if path not in LIMITED and may_open != (matrix[path][role] != "403"):
            wrong.append(f"{path}: {view.reading_verbs}, but the matrix says {matrix[path][role]}")
        assert matrix[path]["customer"] == "403", path
    assert not wrong, "\n".join(wrong)


@pytest.mark.django_db
def test_taking_a_verb_from_a_role_closes_its_pages_and_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is what is asked, not a copy of it."""
    admin, customer = world.admin(), world.bob()
    client = staff_world.signed_in(admin)
    post = {"staff_note": "Calls on Mondays", "seen_note": note_mark(customer)}
    assert client.post(f"/staff/customers/{customer.pk}/note", post).status_code == 302
    for verb in ("customer.note", "price.edit", "unknown.write_off"):
        monkeypatch.setitem(TABLE, verb, Permission((), TABLE[verb].words))
    answer = client.post(f"/staff/customers/{customer.pk}/note", {"staff_note": "Calls on Fridays"})
    customer.refresh_from_db()
    assert (answer.status_code, customer.staff_note) == (403, "Calls on Mondays")
    assert client.get("/manage/rates").status_code == 200, "seeing is a verb of its own"
    assert client.post("/manage/rates", {"currency": "EUR", "rate": "1.1"}).status_code == 403
    with pytest.raises(desk.CannotDecide, match="may not decide"):
        desk.decide(1, "write_off", reason="x", user=admin, actor=admin.email)


@pytest.mark.django_db
def test_a_reviewer_who_is_refused_reads_who_may() -> None:
    page = staff_world.signed_in(world.reviewer()).get("/manage/audit").content.decode()
    assert "Read the audit log" in page and "Admin, Superuser only" in page
    mine = staff_world.signed_in(world.bob()).get("/manage/audit")
    assert (mine.status_code, "audit log" in mine.content.decode().lower()) == (403, False)


@pytest.mark.django_db
def test_the_team_page_shows_the_table_with_the_limits_of_balances() -> None:
    admin = world.admin()
    site_settings.change({"reviewer_adjust_single": "20.00", "reviewer_adjust_day": "50.00"}, by=admin)
    page = staff_world.signed_in(admin).get("/manage/team").content.decode()
    for verb in TABLE:
        assert f'id="may-{verb}"' in page
    row = page.split('id="may-balance.adjust"')[1].split("</tr>")[0]
    assert "$20.00 at once, $50.00 in 24 hours" in row and "any amount" in row
    write_off = page.split('id="may-unknown.write_off"')[1].split("</tr>")[0]
    assert (write_off.count('aria-label="Yes"'), write_off.count("–")) == (2, 1)


@pytest.mark.django_db
def test_roles_of_closed_accounts_and_customers_are_none() -> None:
    reviewer, admin = world.reviewer(), world.admin()
    assert (role_of(reviewer), role_of(admin), role_of(world.bob())) == (REVIEWER, ADMIN, "")
    admin.is_active = False
    assert role_of(admin) == "" and not may(admin, "orders.see")
    with pytest.raises(PermissionDenied):
        require(reviewer, "customer.erase")
    with pytest.raises(KeyError):
        allowed("no.such.verb")
