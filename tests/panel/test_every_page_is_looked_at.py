"""No page for customers or strangers is left out where pages are held against axe-core and 320 px.

`tests/browser/customer_pages.py` names what is looked at. A new address that answers with a page, and is not there,
fails here; what is a file, a part of a page or an answer for a program shows itself.
"""

import pytest
from django.http import HttpResponse

from tests.browser.customer_pages import NO_PAGE, VISITS
from tests.panel.access_matrix import walk
from tests.panel.test_access_matrix import Stage

pytestmark = pytest.mark.django_db
LOOKED_AT = {visit.pattern for visit in VISITS}


def shows_no_page(answer: HttpResponse) -> bool:
    """It cannot be opened, or it is a file, a part of a page, or words for a program."""
    if answer.status_code in (403, 405):  # the page that says so is looked at once for all
        return True
    body = b"" if answer.streaming else answer.content
    return answer.status_code in (200, 204, 503) and b"<html" not in body


def test_every_page_is_looked_at_or_known_to_be_none() -> None:
    stage, left_out = Stage(), []
    for address in walk():
        if address.path in LOOKED_AT or address.path in NO_PAGE or address.path.startswith("/admin/"):
            continue
        path = stage.path_of(address)
        customer, nobody = stage.clients["customer"].get(path), stage.clients["anonymous"].get(path)
        to_sign_in = nobody.status_code == 302 and nobody["Location"].startswith("/account/login/")
        if not shows_no_page(customer) or not (to_sign_in or shows_no_page(nobody)):
            left_out.append(
                f"{address.path}: {customer.status_code} to a customer, {nobody.status_code} to anybody"
            )
    assert not left_out, "not in tests/browser/customer_pages.py:\n" + "\n".join(left_out)


def test_the_list_names_addresses_that_exist_each_in_one_place() -> None:
    known = {address.path for address in walk()} | {""}
    assert known >= LOOKED_AT, LOOKED_AT - known
    assert known >= set(NO_PAGE), set(NO_PAGE) - known
    assert not LOOKED_AT & set(NO_PAGE)
