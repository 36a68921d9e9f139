"""The template tags of `{% load show %}`, and what no template may contain."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django import forms
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import timezone

from panel.templatetags import show

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
NOW = datetime(2026, 11, 20, 14, 2, tzinfo=UTC)


def render(source: str, **context: object) -> str:
    return Template("{% load show %}" + source).render(Context(context))


@time_machine.travel(NOW, tick=False)
@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=3), "3 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "20 Nov, 13:02"),
        (timedelta(days=400), "16 Oct 2025, 14:02"),
        (timedelta(minutes=-5), "20 Nov, 14:07"),
    ],
)
def test_a_time_reads_as_an_age_only_under_one_hour(age: timedelta, shown: str) -> None:
    assert f"<bdi>{shown}</bdi>" in show.when(NOW - age)


@time_machine.travel(NOW, tick=False)
def test_a_time_is_in_the_readers_zone_and_says_so() -> None:
    with timezone.override(ZoneInfo("Asia/Kolkata")):
        shown = show.when_exact(NOW)
    assert 'datetime="2026-11-20T14:02:00+00:00"' in shown
    assert 'title="20 November 2026, 19:32:00 IST"' in shown
    assert "20 Nov, 19:32" in shown
    assert show.when(None) == "–"


def test_every_badge_has_an_icon_and_a_word() -> None:
    assert {name for _look, name in show.BADGES.values()} <= show.icon_names()
    badge = render('{% status_badge "written_off" %}')
    assert "Written off" in badge
    assert 'aria-hidden="true"' in badge


def test_an_unknown_icon_is_noticed() -> None:
    with pytest.raises(LookupError, match="no-such-icon"):
        render('{% icon "no-such-icon" %}')


def test_the_query_tag_keeps_the_rest_and_forgets_the_page() -> None:
    request = RequestFactory().get("/orders/?q=tern&status=Partial&after=77&size=50")
    assert (
        render('{% query status="Completed" %}', request=request)
        == "?q=tern&amp;status=Completed&amp;size=50"
    )
    assert render("{% query status=None q='' %}", request=request) == "?size=50"
    assert (
        render('{% query before="9" %}', request=request)
        == "?q=tern&amp;status=Partial&amp;size=50&amp;before=9"
    )


def test_upstream_text_cannot_become_markup() -> None:
    evil = "<script>alert(1)</script>"
    for source in ("{{ x|bdi }}", "{{ x|bare_link }}", "{% status_badge x %}", '{% icon "x" label=x %}'):
        assert "<script>" not in render(source, x=evil)


class OrderForm(forms.Form):
    link = forms.CharField(help_text="Link to the page.")
    quantity = forms.IntegerField(min_value=10)
    note = forms.CharField(required=False)


def test_a_faulty_field_tells_its_reader_what_and_where() -> None:
    form = OrderForm({"link": "", "quantity": "5"})
    form.is_valid()
    html = form.as_p() and str(form)
    assert "2 fields need a change:" in html
    assert '<a href="#id_quantity">Quantity</a>' in html
    assert re.search(r'<input[^>]*name="link"[^>]*aria-invalid="true"', html)
    described = re.search(r'name="link"[^>]*aria-describedby="([^"]*)"', html)
    assert described
    for part in described.group(1).split():
        assert f'id="{part}"' in html
    assert "Optional" in html


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_needs_what_the_security_policy_forbids(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\sstyle=", text), "style attribute"
    assert not re.search(r"<style|<script(?![^>]*\ssrc=)|javascript:|\son[a-z]+=|hx-on", text), (
        "inline script or style"
    )
    assert not re.search(r'hx-trigger="[^"]*\[', text), "a filter in hx-trigger needs eval"
    assert "|safe" not in text
    assert not re.search(r'(?:src|href)="https?://', text), "a file or page of somebody else"


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    named = {name for path in TEMPLATES for name in re.findall(r'{% icon "([^"]+)"', path.read_text())}
    assert named <= show.icon_names()
    sprite = (ROOT / "static" / show.SPRITE).read_text()
    assert set(re.findall(r'<symbol id="([^"]+)"', sprite)) == show.icon_names()
