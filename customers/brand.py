"""A brand color that stays readable: contrast by WCAG 2.2, and the shades that both themes need.

Pure functions on "#rrggbb". A color is accepted with 4.5:1 against white or dark text; the shades for links, focus
and the dark theme are moved towards black or white until they reach what their use needs.
"""

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

WHITE, DARK_TEXT = "#ffffff", "#0c1530"
LIGHT_SURFACES = ("#ffffff", "#f6f7f9")
DARK_SURFACE = "#151921"
TEXT_CONTRAST = 4.5
_COLOR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Shades:
    """Values of the tokens --accent, --accent-hover, --accent-soft, --on-accent and --link of one theme."""

    accent: str
    hover: str
    soft: str
    on_accent: str
    link: str


def read_color(text: str) -> str:
    """`#RRGGBB` in lower case. ValueError with a sentence: not a color, or text on it could not be read."""
    color = text.strip().lower()
    if not _COLOR.fullmatch(color):
        raise ValueError(_("Write the color as # and six hexadecimal digits, such as #2a59c9."))
    if text_on(color) is None:
        raise ValueError(_("Neither white nor dark text reaches a contrast of 4.5:1 on this color."))
    return color


def text_on(color: str) -> str | None:
    """White where it can be read on the color, else dark text, else None."""
    return next((text for text in (WHITE, DARK_TEXT) if contrast(color, text) >= TEXT_CONTRAST), None)


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def light_shades(brand: str) -> Shades:
    # Links and focus rings stand on the page itself; a bright brand is darkened until they can be seen there.
    link = _until(brand, "#000000", LIGHT_SURFACES, TEXT_CONTRAST + 0.6)
    on_accent = text_on(brand) or WHITE
    toward = "#000000" if on_accent == WHITE else WHITE
    soft = mixed(brand, WHITE, 0.90)
    return Shades(
        brand, mixed(brand, toward, 0.14), soft, on_accent, _until(link, "#000000", (soft,), TEXT_CONTRAST)
    )


def dark_shades(brand: str) -> Shades:
    accent = _until(brand, WHITE, (DARK_SURFACE, DARK_TEXT), 6.5)
    soft = mixed(brand, DARK_SURFACE, 0.80)
    return Shades(
        accent, mixed(accent, WHITE, 0.25), soft, DARK_TEXT, _until(accent, WHITE, (DARK_SURFACE, soft), 6.5)
    )


def stylesheet(brand: str) -> str:
    """The tokens of both themes; without a brand an empty sheet."""
    if not brand:
        return ""
    light, dark = light_shades(brand), dark_shades(brand)
    ring = _until(brand, "#000000", LIGHT_SURFACES, 3)
    return (
        f":root{{{_tokens(light)}}}\n[data-bs-theme=dark]{{{_tokens(dark)}}}\n"
        f"[data-bs-theme=light] :focus-visible{{outline-color:{ring}!important}}\n"
    )


def mixed(color: str, other: str, share: float) -> str:
    """`share` (0 to 1) of `other` in the color."""
    channels = [round(a * (1 - share) + b * share) for a, b in zip(_rgb(color), _rgb(other), strict=True)]
    return "#" + "".join(f"{channel:02x}" for channel in channels)


def _until(color: str, toward: str, grounds: tuple[str, ...], needed: float) -> str:
    for step in range(21):
        shade = mixed(color, toward, step / 20)
        if all(contrast(shade, ground) >= needed for ground in grounds):
            return shade
    return toward


def _tokens(shades: Shades) -> str:
    return (
        f"--accent:{shades.accent};--accent-hover:{shades.hover};--accent-soft:{shades.soft};"
        f"--on-accent:{shades.on_accent};--link:{shades.link}"
    )


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
