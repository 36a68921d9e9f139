"""Who changes services waits for prices before he touches a row, so that two admins never wait in a circle."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from providers.applying import refresh_services
from providers.archiving import archive
from providers.locking import lock_prices
from providers.models import Offer, Provider, Service
from providers.publishing import unpublish
from providers.repricing import reprice
from tests import world
from tests.conftest import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def somebody_waits_for_prices() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("act", ["names from the provider's list", "off the list"])
def test_a_service_is_touched_only_once_prices_are_ours(act: str) -> None:
    service = world.service(world.offer(world.provider()))
    offer = Offer.objects.get()
    Offer.objects.update(name="Another name")
    acts: dict[str, Callable[[], object]] = {
        "names from the provider's list": lambda: refresh_services(offer.provider_id),
        "off the list": lambda: unpublish([service.pk]),
    }

    def as_part_of_a_decision() -> None:
        try:
            with transaction.atomic():
                acts[act]()
                reprice()
        finally:
            connection.close()

    other = threading.Thread(target=as_part_of_a_decision)
    with transaction.atomic():
        lock_prices()
        other.start()
        wait_until(somebody_waits_for_prices, 10, "the other to wait")
        Service.objects.select_for_update(nowait=True).get(pk=service.pk)
    other.join(10)
    service.refresh_from_db()
    assert service.name == "Another name" or not service.published


def test_a_provider_is_put_away_only_once_prices_are_ours() -> None:
    provider = world.provider()

    def put_away() -> None:
        try:
            archive(provider)
        finally:
            connection.close()

    other = threading.Thread(target=put_away)
    with transaction.atomic():
        lock_prices()
        other.start()
        wait_until(somebody_waits_for_prices, 10, "the other to wait")
        Provider.objects.select_for_update(nowait=True).get(pk=provider.pk)
    other.join(10)
    provider.refresh_from_db()
    assert provider.archived_at is not None
