"""`{% load drawing %}`: charts as SVG, written in Python: a provider's page has some two hundred bars."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from customers.charting import Bar, Chart

register = template.Library()


@register.simple_tag
def bar_chart(chart: Chart, summary: str, classes: str = "") -> SafeString:
    """A chart of customers.charting with its lines, bars and labels; `summary` says what it shows to who cannot see it."""
    lines = format_html_join(
        "",
        '<line class="g" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="26" y="{}" text-anchor="end">{}</text>',
        (
            (str(chart.left), str(chart.width), str(line.y), str(line.y), str(line.text_y), line.text)
            for line in chart.lines
        ),
    )
    bars = format_html_join("", "{}", ((_bar(bar, chart.height - 4),) for bar in chart.bars))
    return format_html(
        '<svg class="chart {}" viewBox="0 0 {} {}" width="100%" role="img" aria-label="{}">{}{}</svg>',
        classes, str(chart.width), str(chart.height), summary, lines, bars,
    )  # fmt: skip


def _bar(bar: Bar, foot: int) -> SafeString:
    """One slot: what went well, what failed above it, its label at `foot`."""
    drawn = SafeString("")
    if bar.sent_height:
        drawn += format_html(
            '<rect class="bar1" x="{}" y="{}" width="{}" height="{}" rx="2"{}><title>{}</title></rect>',
            str(bar.x), str(bar.sent_y), str(bar.width), str(bar.sent_height),
            SafeString(' opacity="0.5"' if bar.faded else ""), bar.title,
        )  # fmt: skip
    if bar.failed_height:
        drawn += format_html(
            '<rect class="bar2" x="{}" y="{}" width="{}" height="{}" rx="1.5"><title>{}</title></rect>',
            str(bar.x), str(bar.failed_y), str(bar.width), str(bar.failed_height), bar.title,
        )  # fmt: skip
    if bar.label:
        drawn += format_html(
            '<text x="{}" y="{}" text-anchor="middle">{}</text>', str(bar.middle), str(foot), bar.label
        )
    return drawn
