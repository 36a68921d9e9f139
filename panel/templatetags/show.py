"""What templates use to show things: `{% load show %}`. Text forms come from customers.figures."""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from django import template
from django.forms import BoundField
from django.forms.boundfield import BoundWidget
from django.templatetags.static import static
from django.utils import timezone
from django.utils.dateformat import format as formatted
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from customers import figures, permissions
from customers.stored_words import said

register = template.Library()

for _name in ("money", "money_exact", "signed", "rate", "count", "count_short", "percent"):
    register.filter(_name, getattr(figures, _name))
register.filter("span", figures.span)
register.filter("browser_name", figures.browser_name)
register.filter("said", said)  # a stored sentence of ours, in the reader's language

SPRITE = "vendor/tabler-icons-3.51.0/icons.svg"
# Every state word the panel shows, with the class that colours it and the icon that says it without colour.
BADGES = {
    "pending": ("", "circle-dashed"),
    "processing": ("info", "progress-check"),
    "in progress": ("info", "circle-half-2"),
    "completed": ("ok", "circle-check"),
    "partial": ("warn", "circle-half-2"),
    "canceled": ("", "ban"),
    "needs attention": ("err", "alert-triangle"),
    # submissions and attempts (staff)
    "held": ("", "player-pause"),
    "queued": ("", "circle-dashed"),
    "claimed": ("info", "hourglass"),
    "sending": ("info", "send"),
    "accepted": ("ok", "circle-check"),
    "not accepted": ("", "ban"),
    "absent": ("", "circle-minus"),
    "rejected": ("err", "circle-x"),
    "unknown": ("warn", "question-mark"),
    "being verified": ("warn", "question-mark"),
    "withdrawn": ("", "ban"),
    "written off": ("", "coin"),
    # refill and cancel requests
    "requested": ("info", "clock"),
    "approved": ("info", "check"),
    "done": ("ok", "circle-check"),
    "denied": ("err", "circle-x"),
    "refill": ("info", "refresh"),
    "cancel": ("", "x"),
    # providers, services, people, money
    "active": ("ok", "circle-check"),
    "paused": ("warn", "player-pause"),
    "broken": ("err", "plug-connected-x"),
    "on sale": ("ok", "tag"),
    "off sale": ("", "circle-minus"),
    "unpublished": ("", "circle-minus"),
    "suspended": ("err", "lock"),
    "paid": ("ok", "circle-check"),
    "failed": ("err", "circle-x"),
    "expired": ("", "clock"),
    "revoked": ("", "ban"),
}


@lru_cache
def icon_names() -> frozenset[str]:
    names = Path(__file__).resolve().parents[2] / "static" / "vendor" / "icons.txt"
    return frozenset(names.read_text().split())


@register.simple_tag
@lru_cache(maxsize=1024, typed=True)  # a text that is safe and one that is not are two keys
def icon(name: str, look: str = "", label: str = "") -> SafeString:
    """`{% icon "plus" %}`, `{% icon "plus" "sm" %}`, `"lg"`, `"sm fill"`; with `label=` it is read aloud.

    Raises LookupError for a name that is not in static/vendor/icons.txt. A page has a hundred; each is made once.
    """
    if name not in icon_names():
        raise LookupError(f"No icon named {name!r}; add it to static/vendor/icons.txt and run refresh.py.")
    classes = " ".join(["i", *(f"i-{word}" if word in ("sm", "lg") else word for word in look.split())])
    href = f"{static(SPRITE)}#{name}"
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}"/></svg>', classes, label, href
        )
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}"/></svg>', classes, href)


@register.simple_tag
def status_badge(status: Any, label: str = "") -> SafeString:
    """`{% status_badge order.status %}`: icon and word. `label=` says another word with the look of `status`."""
    word = str(getattr(status, "value", status)).replace("_", " ")
    look, name = BADGES.get(word.lower(), ("", "circle-dashed"))
    name_of = word[:1].upper() + word[1:]
    shown = label or getattr(status, "label", "") or (name_of and _(name_of))
    return _badge(look, name, str(shown))


@lru_cache(maxsize=512, typed=True)
def _badge(look: str, name: str, shown: str) -> SafeString:
    return format_html('<span class="st {}">{}{}</span>', look, icon(name), shown)


@register.filter
def status_look(status: Any) -> str:
    """The class of a status (`ok info warn err` or ""), for progress bars and timeline nodes."""
    return BADGES.get(str(getattr(status, "value", status)).replace("_", " ").lower(), ("", ""))[0]


def _full(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{_date(local.date(), 'j F Y', get_language())}, {local:%H:%M:%S} {local.tzname()}"


def _short(moment: datetime) -> str:
    local = timezone.localtime(moment)
    return f"{_day(local.date())}, {local:%H:%M}"


def _day(local: date) -> str:
    this_year = local.year == timezone.localtime().year
    return _date(local, "j M" if this_year else "j M Y", get_language())


@lru_cache(maxsize=1024)
def _date(day: date, form: str, language: str | None) -> str:
    """A date in words; a list names the same few days in every row."""
    return formatted(day, form)


def _time(moment: datetime, text: str) -> SafeString:
    machine = moment.astimezone(timezone.get_default_timezone()).isoformat(timespec="seconds")
    return format_html('<time datetime="{}" title="{}"><bdi>{}</bdi></time>', machine, _full(moment), text)


@register.filter
def when(moment: datetime | None) -> str:
    """`3 min ago` under one hour, else `20 Nov, 14:02` in the reader's zone; full date and zone in the title."""
    if moment is None:
        return figures.DASH
    age = timezone.now() - moment
    if timedelta(0) <= age < timedelta(minutes=1):
        return _time(moment, _("just now"))
    if timedelta(0) <= age < timedelta(hours=1):
        minutes = int(age.total_seconds() // 60)
        return _time(moment, ngettext("%d min ago", "%d min ago", minutes) % minutes)
    return _time(moment, _short(moment))


@register.filter
def when_exact(moment: datetime | None) -> str:
    """Like `when`, always with date and time: timelines and ledgers."""
    return figures.DASH if moment is None else _time(moment, _short(moment))


@register.filter
def day(moment: date | datetime | None) -> str:
    """`20 Nov`, with the year if it is another one."""
    if moment is None:
        return figures.DASH
    local = timezone.localtime(moment).date() if isinstance(moment, datetime) else moment
    return format_html('<time datetime="{}"><bdi>{}</bdi></time>', local.isoformat(), _day(local))


@register.filter
def bdi(value: Any) -> SafeString:
    """Keeps an id, link or amount in one piece inside right-to-left text."""
    return format_html("<bdi>{}</bdi>", figures.DASH if value in (None, "") else value)


@register.filter
def bare_link(link: str) -> SafeString:
    """A link as people read it: without `https://` and a lone trailing slash."""
    text = re.sub(r"^https?://(www\.)?", "", link)
    return format_html("<bdi>{}</bdi>", text.rstrip("/") if text.count("/") == 1 else text)


@register.filter
def may(user: Any, verb: str) -> bool:
    """Whether his role may do it: `{% if user|may:"customer.erase" %}`; a verb that the table does not have raises."""
    return permissions.may(user, verb)


@register.filter
def initials(user: Any) -> str:
    words = (getattr(user, "name", "") or getattr(user, "email", "")).replace("@", " ").split()
    return "".join(word[0] for word in words[:2]).upper()


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The present address with some parameters changed: `{% query status="Partial" page=None %}` → `?q=…&status=Partial`.

    None or "" removes one. Paging (`page`, `after`, `before`) is forgotten unless it is what changes.
    """
    params = context["request"].GET.copy()
    for name in ("page", "after", "before"):
        params.pop(name, None)
    for name, value in changes.items():
        if value is None or value == "":
            params.pop(name, None)
        else:
            params[name] = str(value)
    return f"?{params.urlencode()}"


@register.simple_tag
def control(field: BoundField) -> SafeString:
    """A form field's control with the classes of the design; errors and hints are already tied to it by Django."""
    widget = field.field.widget
    kind = getattr(widget, "input_type", "")
    attrs: dict[str, str | bool] = {}
    if kind == "select":
        base = "form-select"
    elif kind in ("checkbox", "radio"):
        base = "form-check-input"
    else:
        base = "form-control"
    if field.errors:
        base += " is-bad"
    attrs["class"] = f"{base} {widget.attrs.get('class', '')}".strip()
    return field.as_widget(attrs=attrs)


@register.simple_tag
def option_control(option: BoundWidget) -> SafeString:
    """One radio button or checkbox of a group, without its label."""
    option.data["attrs"] = {**option.data["attrs"], "class": "form-check-input"}
    return option.tag()


@register.filter
def kind(field: BoundField) -> str:
    """Which shape `parts/field.html` gives a field: hidden, check, switch, group, password, lines or plain."""
    widget = field.field.widget
    input_type = getattr(widget, "input_type", "")
    if field.is_hidden:
        return "hidden"
    if field.use_fieldset:
        return "group"
    if input_type == "checkbox":
        return "switch" if widget.attrs.get("role") == "switch" else "check"
    if input_type == "password":
        return "password"
    return "lines" if "data-lines" in widget.attrs else "plain"


@register.filter
def faulty_fields(form: Any) -> list[BoundField]:
    """The visible fields that need a change, for the summary above a form."""
    return [field for field in form if field.errors and not field.is_hidden]


@register.filter
def words(text: str) -> list[str]:
    return text.split()


@register.filter
def plain(number: Any) -> str:
    """A number for an attribute: no separators, whatever the language."""
    return str(number or 0)


@register.simple_tag
def share_of(done: int | None, total: int | None) -> str:
    """`62%`: floored, so that 100% means all of it."""
    return f"{100 * (done or 0) // total}%" if total else "0%"
