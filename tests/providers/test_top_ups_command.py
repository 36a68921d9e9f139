"""Recorded top-ups from the command line: listed, and taken back by their reference."""

import pytest

from providers.models import TopUp
from tests import world
from tests.providers.command_line import audited, refused, run, text

pytestmark = pytest.mark.django_db


def test_a_wrong_record_is_taken_back_by_its_reference_and_the_right_one_stays() -> None:
    adam = world.admin()
    world.provider()
    run("top_up", "Meridian", "100", "--reference", "INV-1")
    run("top_up", "Meridian", "1000", "--reference", "INV-2")
    assert {row["reference"] for row in run("top_ups", "Meridian")} == {"INV-1", "INV-2"}
    assert "1000 USD, INV-2: not seen yet" in text("top_ups", "Meridian")
    (gone,) = run("top_ups", "Meridian", "--take-back", "INV-2", "--by", adam.email)
    assert (gone["reference"], gone["amount"]) == ("INV-2", "1000.000000")
    assert TopUp.objects.get().reference == "INV-1"
    ((who, summary),) = audited("provider.top_up_back")
    assert (who, "INV-2" in summary) == (adam.email, True)
    again = refused("top_ups", "Meridian", "--take-back", "INV-2")
    assert again == "Meridian has no record with the reference INV-2."
    assert TopUp.objects.count() == 1
