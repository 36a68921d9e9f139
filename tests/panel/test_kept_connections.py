"""A kept connection that the server closed is replaced before it is used; a live one costs no question."""

from collections.abc import Iterator

import pytest
from django.db import connection, connections

from panel.postgresql import base

pytestmark = pytest.mark.django_db


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[base.DatabaseWrapper]:
    """A connection as a web thread has it, after a first request that used it; `asked` counts its SELECT 1."""
    made = connections.create_connection("default")
    assert isinstance(made, base.DatabaseWrapper)
    made.settings_dict = {**made.settings_dict, "CONN_MAX_AGE": 300, "CONN_HEALTH_CHECKS": True}
    request(made)
    yield made
    made.close()


def request(kept: base.DatabaseWrapper) -> int:
    """One request with two statements; the number of the backend that answered."""
    kept.close_if_unusable_or_obsolete()
    numbers = set()
    for _ in range(2):
        with kept.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            numbers.add(cursor.fetchone()[0])
    kept.close_if_unusable_or_obsolete()
    [number] = numbers
    return int(number)


def terminate(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [number])  # waits until it is gone
        assert cursor.fetchone() == (True,)


def count_questions(kept: base.DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    asked: list[bool] = []
    real = kept.is_usable

    def is_usable() -> bool:
        asked.append(real())
        return asked[-1]

    monkeypatch.setattr(kept, "is_usable", is_usable)
    return asked


def test_one_that_the_server_closed_is_replaced_at_once(kept: base.DatabaseWrapper) -> None:
    first = request(kept)
    terminate(first)
    assert request(kept) != first


def test_one_in_use_is_not_asked(kept: base.DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "TRUSTED_FOR_S", 60.0)
    first = request(kept)
    asked = count_questions(kept, monkeypatch)
    assert [request(kept) for _ in range(3)] == [first] * 3
    assert asked == []


def test_one_that_rested_is_asked_once_in_each_request(
    kept: base.DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = request(kept)
    monkeypatch.setattr(base, "TRUSTED_FOR_S", -1.0)
    asked = count_questions(kept, monkeypatch)
    assert [request(kept) for _ in range(2)] == [first] * 2
    assert asked == [True, True]


def test_after_an_error_the_next_request_looks_again(
    kept: base.DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.errors_occurred = True
    kept.close_if_unusable_or_obsolete()  # the end of the request that met it; asks whether the connection is usable
    monkeypatch.setattr(base, "TRUSTED_FOR_S", 0)
    asked = count_questions(kept, monkeypatch)
    request(kept)
    assert asked
