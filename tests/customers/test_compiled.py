"""A query that is written once gives the objects that the ORM would give, again and again."""

from datetime import UTC, datetime

import pytest
from django.db.models import Exists, OuterRef
from django.utils import timezone

from customers.api_keys import create_api_key
from customers.compiled import CompiledQuery
from customers.models import ApiKey, User
from tests import world

pytestmark = pytest.mark.django_db


def keys_of(email, now=None):
    queryset = ApiKey.objects.filter(user__email=email).select_related("user").order_by("id")
    younger = ApiKey.objects.filter(user=OuterRef("user"), id__gt=OuterRef("id"))
    return queryset.annotate(replaced=Exists(younger))


def test_objects_relations_and_annotations_are_those_of_the_orm(django_assert_num_queries):
    create_api_key(alice := world.customer("alice@example.org"))
    create_api_key(alice)
    create_api_key(world.customer("bob@example.org"))
    compiled = CompiledQuery(keys_of, email="?")
    for email, expected in (
        ("alice@example.org", [True, False]),
        ("bob@example.org", [False]),
        ("nobody", []),
    ):
        with django_assert_num_queries(1):
            found = compiled(email=email)
            assert [key.user.email for key in found] == [email] * len(expected)
        assert [key.replaced for key in found] == expected
        for mine, theirs in zip(found, keys_of(email), strict=True):
            assert {k: v for k, v in vars(mine).items() if k != "_state"} == {
                k: v for k, v in vars(theirs).items() if k != "_state"
            }
            assert vars(mine.user).keys() == vars(theirs.user).keys()
            assert not mine._state.adding


def test_deferred_columns_stay_deferred():
    create_api_key(world.customer("alice@example.org"))
    compiled = CompiledQuery(lambda email: keys_of(email).only("label", "user__email"), email="?")
    (key,) = compiled(email="alice@example.org")
    assert "digest" in key.get_deferred_fields()
    assert "password" in key.user.get_deferred_fields()


def test_a_time_is_not_kept_by_mistake():
    compiled = CompiledQuery(lambda email: keys_of(email).filter(created_at__lt=timezone.now()), email="?")
    with pytest.raises(ValueError, match="kept"):
        compiled(email="x")
    passed = CompiledQuery(
        lambda email, now: keys_of(email).filter(created_at__lt=now),
        email="?",
        now=datetime.max.replace(tzinfo=UTC),
    )
    create_api_key(world.customer("alice@example.org"))
    assert passed(email="alice@example.org", now=timezone.now())
    assert not passed(email="alice@example.org", now=datetime(2020, 1, 1, tzinfo=UTC))


def test_a_value_that_the_query_does_not_hold_is_refused():
    compiled = CompiledQuery(lambda email, other: User.objects.filter(email=email), email="?", other="!")
    with pytest.raises(ValueError, match="other"):
        compiled(email="x", other="y")
