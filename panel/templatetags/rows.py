"""`{% load rows %}`: what stands in every row of a long list, written in Python.

A page of fifty services or a hundred orders has thousands of cells, and a template spends more on each than the cell
is worth. The parts here are those that repeat per row. What is kept between calls depends on nothing but its key.
"""

from functools import cache, lru_cache

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from customers.figures import DASH, count, money, rate
from orders.listing import Row
from orders.models import Order
from panel.templatetags.show import bare_link, day, icon, share_of, status_badge, status_look
from providers.browsing import Line
from providers.models import Service
from providers.service_types import TYPES

register = template.Library()


@cache
def _address_of(name: str) -> tuple[str, str]:
    """What stands before and after the number in an address of this name."""
    before, number, after = reverse(name, args=[8_888_888]).partition("8888888")
    if not number:
        raise LookupError(f"The address {name!r} has no number.")
    return before, after


@register.filter
def address(number: int, name: str) -> str:
    """`{{ order.pk|address:"order" }}`: as `{% url %}`, for a page whose only parameter is a number."""
    before, after = _address_of(name)
    return f"{before}{int(number)}{after}"


@register.simple_tag
def outside_link(link: str, classes: str = "") -> SafeString:
    """A customer's link. Only a web address is one: his own text never becomes another scheme."""
    if link.startswith(("https://", "http://")):
        return format_html(
            '<a class="{}" href="{}" rel="noopener noreferrer nofollow" target="_blank">{}</a>',
            classes,
            link,
            bare_link(link),
        )
    return format_html('<span class="{}"><bdi>{}</bdi></span>', classes, link)


@register.simple_tag
def order_pick(row: Row) -> SafeString:
    """The box that picks an order for the bulk actions."""
    number = str(row.order.pk)
    return format_html(
        '<input class="form-check-input" type="checkbox" form="bulk" name="id" value="{}" data-pick data-can="{}"'
        ' aria-label="{}">',
        number,
        row.can,
        _("Select order %(id)s") % {"id": number},
    )


@register.simple_tag
def order_status(order: Order) -> SafeString:
    """As `{% status_badge order.status order.get_status_display %}`, without a table of all choices for every row."""
    return status_badge(Order.Status(order.status))


@register.simple_tag
def order_note(row: Row, waiting: str = "") -> SafeString | str:
    """What stands beside the status: being verified, being reviewed, an open request, the run, what came back."""
    order, classes = row.order, "sub"
    if row.verifying:
        text = _("being verified")
    elif row.reviewing:
        text = _("being reviewed")
    elif waiting:
        text = waiting
    elif run := row.run:
        text = _("Run %(run)s of %(runs)s") % {"run": run, "runs": order.runs}
    elif order.refunded:
        text, classes = _("%(amount)s returned") % {"amount": money(order.refunded)}, "sub tn"
    else:
        return ""
    return format_html('<span class="{}">{}</span>', classes, text)


@register.simple_tag
def delivered_of(order: Order) -> str:
    return _("%(done)s of %(total)s") % {"done": count(order.delivered), "total": count(order.total)}


@register.simple_tag
def delivered_bar(order: Order) -> SafeString:
    """`parts/progress.html` as rows show it: with the percentage, in the color of the order's status."""
    done, total = order.delivered, order.total
    kind = "mute" if order.status == Order.Status.CANCELED else status_look(order.status)
    return format_html(
        '<span class="d-flex align-items-center gap-2 minw-8"><progress class="pb grow {}" value="{}" max="{}"'
        ' aria-label="{}"></progress><span class="pct">{}</span></span>',
        kind,
        str(done or 0),
        str(total or 1),
        _("Delivered"),
        share_of(done, total),
    )


@register.simple_tag
def order_act(row: Row, back: str) -> SafeString | str:
    """The open request of an order, or the button for the one that can be made. `back`: an address, quoted."""
    if waiting := row.waiting:
        return format_html('<span class="sm t2 text-wrap">{} {}</span>', icon("clock", "sm"), waiting)
    if row.actions.refill.allowed:
        name, picture, word = "order_refill", "refresh", _("Refill")
    elif row.actions.cancel.allowed:
        name, picture, word = "order_cancel", "x", _("Cancel")
    else:
        return ""
    where = f"{address(row.order.pk, name)}?next={back}"
    # innerHTML: what comes back is our own autoescaped dialog, from our own address
    return format_html(
        '<a class="btn btn-line btn-sm" href="{}" hx-get="{}" hx-target="#ask" hx-swap="innerHTML">{}{}'
        '<span class="vh"> {}</span></a>',
        where,
        where,
        icon(picture, "sm"),
        word,
        str(row.order.pk),
    )


@register.simple_tag
def service_star(service: Service, starred: bool) -> SafeString:
    """The button that makes a service a favorite, or no longer; `<form id="star">` sends it without script."""
    where = address(service.pk, "favorite")
    return format_html(
        '<button class="btn btn-ghost btn-sm btn-ico star" id="star-{}" form="star" formaction="{}" hx-post="{}"'
        ' hx-swap="outerHTML" aria-pressed="{}" aria-label="{}">{}</button>',
        str(service.pk),
        where,
        where,
        "true" if starred else "false",
        _("Favorite %(name)s") % {"name": service.name},
        icon("star", "sm"),
    )


@register.simple_tag
def service_terms(service: Service) -> SafeString:
    """What an order of a service is: type, drip-feed, refill, cancel, what to fill in."""
    return _terms(
        service.service_type,
        service.dripfeed,
        service.refill_days if service.refill else None,
        service.cancel,
        service.lines_label,
        get_language(),
    )


@lru_cache(maxsize=512)
def _terms(
    type_code: str,
    dripfeed: bool,
    refill_days: int | None,
    cancel: bool,
    lines_label: str,
    language: str | None,
) -> SafeString:
    kind = TYPES[type_code]
    facts = [(_("Type"), kind.name)]
    if dripfeed and kind.drip_feed:
        facts.append((_("Drip-feed"), _("Possible")))
    refill = _("%(days)s days after the order ended") % {"days": refill_days}
    facts.append((_("Refill"), _("No refill") if refill_days is None else refill))
    facts.append(
        (_("Cancel"), _("Can be asked for while it is open") if cancel else _("Only before it was sent"))
    )
    fills = _("Link") if kind.has_link else ""
    if kind.counts == "quantity" and not kind.per_order:
        fills += ", " + _("Quantity")
    for field in kind.fields:
        fills += ", " + (lines_label if field.kind == "lines" and lines_label else _(field.label))
    facts.append((_("You fill in"), fills))
    return format_html('<dl class="kv left">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", facts))


@register.simple_tag
def after_sale(service: Service) -> SafeString:
    """Refill and cancel as tags, for a column of the price list."""
    return _after_sale(service.refill_days if service.refill else None, service.cancel, get_language())


@lru_cache(maxsize=512)
def _after_sale(refill_days: int | None, cancel: bool, language: str | None) -> SafeString:
    tags = []
    if refill_days is not None:
        tags.append(("ok", icon("refresh"), _("%(days)s d") % {"days": refill_days}))
    if cancel:
        tags.append(("ok", icon("x"), _("Cancel")))
    if not tags:
        return format_html('<span class="t3 hide-s">{}</span>', DASH)
    return format_html_join("", '<span class="tag {}">{}{}</span>', tags)


@register.simple_tag
def service_facts(line: Line) -> SafeString:
    """Quantities, time, refill and cancel of a `providers.browsing.Line`, as the picker of the order form shows them."""
    service = line.service
    return _facts(
        None if service.per_order else (service.minimum, service.maximum),
        line.time,
        service.refill_days if service.refill else None,
        service.cancel,
        get_language(),
    )


@lru_cache(maxsize=1024)
def _facts(
    limits: tuple[int, int] | None, time: str, refill_days: int | None, cancel: bool, language: str | None
) -> SafeString:
    parts = []
    if limits:
        quantities = _("%(min)s to %(max)s") % {"min": count(limits[0]), "max": count(limits[1])}
        parts.append(format_html('<span class="tn">{}</span>', quantities))
    if time:
        parts.append(format_html("<span>{}</span>", _("about %(time)s") % {"time": time}))
    if refill_days is None:
        parts.append(format_html('<span class="tag">{}</span>', _("No refill")))
    else:
        refill = _("Refill %(days)s days") % {"days": refill_days}
        parts.append(format_html('<span class="tag ok">{}{}</span>', icon("refresh"), refill))
    if cancel:
        parts.append(format_html('<span class="tag ok">{}{}</span>', icon("x"), _("Cancel")))
    return format_html_join("", "{}", ((part,) for part in parts))


@register.simple_tag
def price_words(line: Line) -> str:
    """Number, quantities and time in one line, for small screens."""
    service = line.service
    if service.per_order:
        limits = _("one per order")
    else:
        limits = _("%(least)s to %(most)s") % {
            "least": count(service.minimum),
            "most": count(service.maximum),
        }
    about = ", " + _("about %(time)s") % {"time": line.time} if line.time else ""
    return f"{service.pk} · {limits}{about}"


@register.simple_tag
def price_now(line: Line) -> SafeString:
    """The customer's rate with what it is for, and the one before where it changed lately."""
    unit = _("per order") if line.service.per_order else _("per 1000")
    now = format_html('<span class="m">{}</span><span class="sub">{}</span>', rate(line.rate), unit)
    if not line.moved:
        return now
    before = (_("before"), rate(line.moved.before), now)
    return format_html('<s class="diff-old xs"><span class="vh">{} </span>{}</s> {}', *before)


@register.simple_tag
def price_history(line: Line) -> SafeString:
    """What a service cost this customer before: a list, newest first, or the one price with its day."""
    prices = line.prices
    if not prices:
        return format_html('<p class="mb-0">{}</p>', _("Not recorded yet."))
    if len(prices) == 1:
        since = _("%(rate)s since %(at)s.") % {"rate": "{}", "at": "{}"}
        return format_html('<p class="mb-0">' + since + "</p>", rate(line.rate), day(prices[0].since))
    now, *before = (rate(price.rate) for price in prices)
    rates = [
        format_html('<dd class="m">{}</dd>', now),
        *(format_html("<dd>{}</dd>", past) for past in before),
    ]
    return format_html(
        '<dl class="kv left past tn">{}</dl><p class="xs t3 mt-1 mb-0">{}</p>',
        format_html_join(
            "",
            '<dt><span class="vh">{} </span>{}</dt>{}',
            ((_("From"), day(price.since), shown) for price, shown in zip(prices, rates, strict=True)),
        ),
        _("At the terms of your account today. An order keeps the rate it was placed at."),
    )
