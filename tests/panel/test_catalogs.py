"""The catalogs of translations: the compiled file is the written one, and no translation loses a figure or a link."""

import gettext
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation
from django.utils.html import escape

from orders.api.description import CHANGES, ERRORS, METHODS, NEEDED
from orders.placing import place_order
from orders.type_words import CHOICES, SENTENCES, WORDS, spoken
from providers.service_types import TYPES, InvalidOrder, read_order
from tests import world
from tests.conftest import ROOT, process_environment
from tests.staff_world import signed_in

CATALOGS = sorted((ROOT / "locale").glob("*/LC_MESSAGES/django.po"))
STRING = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
ENTRY = re.compile(
    rf"^msgid {STRING}(?:msgid_plural {STRING})?((?:msgstr(?:\[\d\])? {STRING})+)", re.MULTILINE
)
# What must stand in a translation as often as in its original: figures by name, addresses, tags, JavaScript's {n}.
KEPT = re.compile(r"%\(\w+\)[sd]|%[sd]|\{n\}|<[^>]+>|https?://\S+|<kbd>")

SAME_IN_GERMAN = {"Desktop", "Hashtag"}


def text_of(quoted: str) -> str:
    joined = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', quoted))
    return joined.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")


def entries(path: Path) -> list[tuple[str, str, list[str]]]:
    """(msgid, msgid_plural or "", translations) of everything that is translated."""
    found = []
    for match in ENTRY.finditer(path.read_text("utf-8")):
        translations = [text_of(part) for part in re.findall(rf"msgstr(?:\[\d\])? {STRING}", match[3])]
        if all(translations) and text_of(match[1]):
            found.append((text_of(match[1]), text_of(match[2] or ""), translations))
    return found


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_the_compiled_catalog_says_what_the_written_one_says(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    written = entries(path)
    assert len(written) > 700
    for one, many, translations in written:
        if many:
            assert [compiled.ngettext(one, many, n) for n in (1, 2)] == translations
        else:
            assert compiled.gettext(one) == translations[0]
    assert "fuzzy" not in path.read_text("utf-8")


@pytest.mark.parametrize("path", CATALOGS, ids=lambda path: path.parts[-3])
def test_no_translation_loses_a_figure_or_a_link(path: Path) -> None:
    lost = []
    for one, many, translations in entries(path):
        wanted = sorted(KEPT.findall(many or one))
        for said in translations:
            kept = sorted(KEPT.findall(said))
            may_drop_the_number = bool(many) and said == translations[0]
            if kept != wanted and not (may_drop_the_number and kept == sorted(KEPT.findall(one))):
                lost.append((one, said))
    assert not lost


def test_every_language_with_a_catalog_is_offered() -> None:
    assert {path.parts[-3] for path in CATALOGS} <= set(dict(settings.LANGUAGES))


def test_the_words_of_the_types_are_marked_for_translation() -> None:
    words = {field.label for kind in TYPES.values() if kind.sellable for field in kind.fields}
    words |= {field.help for kind in TYPES.values() for field in kind.fields if kind.sellable and field.help}
    assert words == set(WORDS)
    choices = {
        name for kind in TYPES.values() if kind.sellable for field in kind.fields for _, name in field.choices
    }
    assert choices == set(CHOICES)


@pytest.mark.django_db
@pytest.mark.parametrize("code", [code for code, kind in TYPES.items() if kind.sellable])
def test_no_word_of_a_type_stays_english_on_a_german_page(code: str) -> None:
    alice, provider = world.customer(language="de"), world.provider()
    service = world.service(world.offer(provider, service_type=code, minimum=1, dripfeed=False))
    kind = TYPES[code]
    browser = signed_in(alice)
    form = browser.get(f"/orders/new?service={service.pk}").content.decode()
    values = {field.name: field.choices[-1][0] if field.choices else "1" for field in kind.fields}
    asked = {name: value for name, value in values.items() if not name.startswith(("google", "referring"))}
    order = place_order(
        alice, service.pk, {"link": "https://example.org", "quantity": "10"} | asked, source="web"
    )
    page = browser.get(f"/orders/{order.pk}").content.decode()
    with translation.override("de"):
        for field in kind.fields:
            for word in (field.label, field.help, *(name for _, name in field.choices)):
                german = translation.gettext(word) if word else ""
                assert german != word or word in SAME_IN_GERMAN or not word, f"{word} is not translated"
                assert escape(german) in form
                assert german == word or not re.search(rf">\s*{re.escape(word)}\s*<", form + page), word
            if field.name in asked:
                assert escape(translation.gettext(field.label)) in page
                if field.choices:
                    assert escape(translation.gettext(field.choices[-1][1])) in page


@pytest.mark.django_db
def test_the_api_reference_is_read_in_german_and_its_document_in_english() -> None:
    words = {word for method in METHODS for word in (method.title, method.about)} | set(NEEDED)
    words |= {parameter.meaning for method in METHODS for parameter in method.parameters}
    words |= {meaning for _, meaning in [*ERRORS, *CHANGES]}
    with translation.override("de"):
        untranslated = {word for word in words if translation.gettext(word) == word}
        shown = {word: escape(translation.gettext(word)) for word in words if "%(" not in word}
    assert not untranslated
    bob, alice = signed_in(world.bob()), signed_in(world.customer(language="de"))
    places = [method.slug for method in METHODS] + ["errors", "changes"]
    pages = "".join(alice.get(f"/api?show={place}").content.decode() for place in places)
    assert not {word for word, german in shown.items() if german not in pages}
    assert "up to 1000" not in pages and "Für: " in pages and ">required<" not in pages
    assert alice.get("/api/v2/openapi.json").content == bob.get("/api/v2/openapi.json").content
    assert b"Places an order and takes its charge" in bob.get("/api/v2/openapi.json").content


def test_the_sentences_of_the_types_are_marked_for_translation() -> None:
    source = (ROOT / "providers/service_types.py").read_text()
    said = set(re.findall(r'(?<!")"((?:[A-Z]|%\(label\)s)[^"\n]*\.)"(?!")', source.split("class _Reader")[1]))
    assert len(said) > 15
    assert said <= set(SENTENCES)
    with translation.override("de"), pytest.raises(InvalidOrder) as refused:
        read_order(TYPES["custom comments"], {"comments": "a"}, 1500, 2000)
    with translation.override("de"):
        assert spoken(refused.value)["comments"] == "Dieser Dienst geht ab 1.500 Zeilen."
        assert spoken(refused.value)["link"] == "Geben Sie einen Link ein."
    assert refused.value.errors["comments"] == "The minimum for this service is 1,500 lines."


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="GNU gettext is not installed")
def test_sentences_are_found_in_templates_and_code(tmp_path: Path) -> None:
    (tmp_path / "locale").mkdir()
    for name in ("templates/providers", "providers/reporting.py", "providers/views.py"):
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    command = [sys.executable, "-m", "django", "makemessages", "-l", "de", "--no-location"]
    environment = {
        name: value for name, value in process_environment().items() if name != "DJANGO_SETTINGS_MODULE"
    }
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
    found = (tmp_path / "locale/de/LC_MESSAGES/django.po").read_text("utf-8")
    for sentence in (
        "Report this service",
        "Reported. Our staff look at it; thank you.",
        "What is wrong with it?",
    ):
        assert f'msgid "{sentence}"' in found
