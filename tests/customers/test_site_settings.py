"""Settings that admins change: checked, typed, audited, in force with the next page."""

from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers import brand, site_settings
from customers.models import AuditEntry, Setting
from customers.site_settings import BadSetting
from tests import world
from tests.staff_world import signed_in

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
BANK = {"name": "Bank transfer", "note": "", "instructions": "IBAN XX00", "minimum": "10", "maximum": "5000"}


def test_it_answers_defaults_while_nothing_is_set(settings) -> None:  # type: ignore[no-untyped-def]
    settings.SITE_NAME = "Harbor"
    assert site_settings.load().site_name == "Harbor"
    assert site_settings.load().deposit_methods == ()


def test_it_keeps_what_was_set_and_who_set_it() -> None:
    adam = world.admin()
    assert site_settings.change({"site_name": "  North   Pier ", "deposit_methods": [BANK]}, by=adam)
    site = site_settings.load()
    assert site.site_name == "North Pier"
    assert site.deposit_methods[0].maximum == Decimal("5000")
    entry = AuditEntry.objects.get(verb="settings.change")
    assert entry.actor == adam
    assert entry.details["site_name"][1] == "North Pier"
    assert site_settings.change({"site_name": "North Pier"}, by=adam) == ()
    assert AuditEntry.objects.filter(verb="settings.change").count() == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("site_name", ""),
        ("brand_color", "blue"),
        ("brand_color", "#12345"),
        ("support_contact", "javascript:alert(1)"),
        ("terms_version", "x" * 21),
        ("maintenance", "yes"),
        ("logo", "image/svg+xml;PHN2Zz48L3N2Zz4="),
        ("deposit_methods", [{"name": "Bank", "instructions": ""}]),
        ("deposit_methods", [{"name": "", "instructions": "x"}]),
        ("deposit_methods", [BANK, {**BANK, "name": "bank  Transfer"}]),
        ("deposit_methods", [{**BANK, "minimum": "20", "maximum": "10"}]),
        ("deposit_methods", [{**BANK, "minimum": "NaN"}]),
        ("nonsense", 1),
    ],
)
def test_it_refuses_what_makes_no_sense_and_changes_nothing(key: str, value: object) -> None:
    with pytest.raises(BadSetting):
        site_settings.change({"site_name": "Other", key: value} if key != "site_name" else {key: value})
    assert not Setting.objects.filter(key__in=site_settings.CHECKS).exists()


def test_a_row_that_no_longer_fits_counts_as_absent() -> None:
    Setting.objects.create(key="brand_color", value="nonsense")
    assert site_settings.load().brand_color == ""


@pytest.mark.parametrize(
    "color", ["#2a59c9", "#ffd400", "#ff6a00", "#0a7d3c", "#000000", "#ffffff", "#d4145a"]
)
def test_every_accepted_color_can_be_read_in_both_themes(color: str) -> None:
    for shades, surfaces in (
        (brand.light_shades(brand.read_color(color)), brand.LIGHT_SURFACES),
        (brand.dark_shades(color), (brand.DARK_SURFACE,)),
    ):
        assert brand.contrast(shades.accent, shades.on_accent) >= 4.5
        assert brand.contrast(shades.hover, shades.on_accent) >= 4.5
        for ground in (*surfaces, shades.soft):
            assert brand.contrast(shades.link, ground) >= 4.5


def test_pages_show_the_name_the_logo_and_the_color(client: Client) -> None:
    site_settings.change(
        {"site_name": "North Pier", "brand_color": "#0a7d3c", "logo": site_settings.logo_of(PNG)}
    )
    page = client.get("/account/login/").content.decode()
    assert "North Pier" in page and "/brand.css?v=" in page and "/brand-logo?v=" in page
    assert "--accent:#0a7d3c" in client.get("/brand.css").content.decode()
    logo = client.get("/brand-logo")
    assert (logo.content, logo["Content-Type"]) == (PNG, "image/png")


def test_without_a_logo_there_is_none_to_fetch(client: Client) -> None:
    assert client.get("/brand-logo").status_code == 404


def test_an_admin_changes_them_on_the_page_and_a_reviewer_may_not() -> None:
    admin, reviewer = signed_in(world.admin()), signed_in(world.reviewer())
    assert reviewer.get("/manage/settings").status_code == 403
    assert admin.get("/manage/settings").status_code == 200
    looks = {
        "part": "looks",
        "site_name": "North Pier",
        "brand_color": "#0a7d3c",
        "support_contact": "help@x.org",
    }
    logo = SimpleUploadedFile("logo.png", PNG)
    assert admin.post("/manage/settings", looks | {"logo_file": logo}).status_code == 302
    assert site_settings.load().logo.startswith("image/png;")
    bad = admin.post("/manage/settings", looks | {"brand_color": "#zzz"})
    assert bad.status_code == 422
    assert "six hexadecimal digits" in bad.content.decode()
    rows = {"method-TOTAL_FORMS": "2", "method-INITIAL_FORMS": "0", "part": "methods"}
    rows |= {f"method-0-{name}": value for name, value in BANK.items()}
    assert admin.post("/manage/settings", rows).status_code == 302
    assert site_settings.load().deposit_methods[0].name == "Bank transfer"
    rows |= {"method-INITIAL_FORMS": "1"} | {f"method-0-{name}": "" for name in BANK}
    assert admin.post("/manage/settings", rows).status_code == 302
    assert site_settings.load().deposit_methods == ()


def test_they_cost_one_query_a_request(client: Client) -> None:
    with CaptureQueriesContext(connection) as captured:
        client.get("/acceptable-use")
    assert len([q for q in captured.captured_queries if "customers_setting" in q["sql"]]) == 1
