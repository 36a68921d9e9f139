"""Requests to copy, in four languages. A test runs them as they are printed, with a real key in the place of KEY."""

import json
import re
import shlex
from collections.abc import Callable, Sequence

Fields = Sequence[tuple[str, str]]
_WORDS = {
    "curl": "curl",
    "python": "import|print",
    "php": "print_r|json_decode|true",
    "node": "const|await|method|body|new",
}


def curl(url: str, fields: Fields) -> str:
    parts = [f"curl {url}"]
    for name, value in fields:
        simple = re.fullmatch(r"[\w.,-]+", value)
        flag = "-d" if simple else "--data-urlencode"
        parts.append(f"  {flag} {name}={value}" if simple else f"  {flag} {shlex.quote(f'{name}={value}')}")
    return " \\\n".join(parts)


def python(url: str, fields: Fields) -> str:
    lines = "".join(f"    {_text(name)}: {_text(value)},\n" for name, value in fields)
    return (
        "import requests\n\n"
        f"answer = requests.post({_text(url)}, timeout=60, data={{\n{lines}}}).json()\n"
        "print(answer)"
    )


def php(url: str, fields: Fields) -> str:
    lines = "".join(f"        {_php(name)} => {_php(value)},\n" for name, value in fields)
    return (
        f"<?php\n$call = curl_init({_php(url)});\n"
        "curl_setopt_array($call, [\n"
        "    CURLOPT_RETURNTRANSFER => true,\n"
        f"    CURLOPT_POSTFIELDS => http_build_query([\n{lines}    ]),\n]);\n"
        "print_r(json_decode(curl_exec($call), true));"
    )


def node(url: str, fields: Fields) -> str:
    lines = "".join(f"    {name}: {_text(value)},\n" for name, value in fields)
    return (
        f"const response = await fetch({_text(url)}, {{\n"
        '  method: "POST",\n'
        f"  body: new URLSearchParams({{\n{lines}  }}),\n}});\n"
        "console.log(await response.json());"
    )


LANGUAGES: dict[str, tuple[str, Callable[[str, Fields], str]]] = {
    "curl": ("curl", curl),
    "python": ("Python", python),
    "php": ("PHP", php),
    "node": ("Node", node),
}


def example(language: str, url: str, fields: Fields) -> str:
    return LANGUAGES[language][1](url, fields)


def colored(language: str, code: str) -> list[tuple[str, str]]:
    """(class, text) pieces for a `pre.code`: "s" for strings, "k" for words of the language, "" for the rest."""
    pattern = re.compile(rf"""("[^"\n]*"|'[^'\n]*')|\b({_WORDS.get(language, "$^")})\b""")
    pieces, at = [], 0
    for found in pattern.finditer(code):
        pieces += [("", code[at : found.start()]), ("s" if found[1] else "k", found[0])]
        at = found.end()
    return [(kind, text) for kind, text in [*pieces, ("", code[at:])] if text]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _php(value: str) -> str:
    return _text(value).replace("$", "\\$")
