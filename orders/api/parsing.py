"""What a client sent, as one flat dict of texts, whatever it was wrapped in.

POST form, multipart, JSON or a GET query; query and body are merged and the body wins. "", `undefined` and `null`
count as absent everywhere. Lists (JSON, `orders[]=1`, `orders[0]=1`) become what the protocol has for them: ids with
commas between, texts one a line.
"""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.datastructures import MultiValueDict

from orders.api.errors import INCORRECT_REQUEST, Refusal, TooLarge
from providers.service_types import ABSENT

Parameters = Mapping[str, str]
_ID_LISTS = frozenset({"orders", "refills"})
_INDEXED = re.compile(r"(.+?)\[\w*\]")
# What a client may say about its text. Others (utf-7, punycode, "hex") are read as UTF-8.
_CHARSETS = frozenset({"latin-1", "iso-8859-1", "windows-1252", "cp1252", "us-ascii"})


def read_parameters(request: HttpRequest) -> Parameters:
    """All parameters that are there. Raises Refusal (a body that is not what it says) or TooLarge."""
    try:
        query = QueryDict(request.META.get("QUERY_STRING", "").encode("latin-1", "replace"), encoding="utf-8")
        return _flat(_plain(query)) | _flat(_read_body(request, _body(request)))
    except SuspiciousOperation:  # more fields than anybody needs
        raise Refusal(INCORRECT_REQUEST) from None


def _body(request: HttpRequest) -> bytes:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    chunked = "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()
    if chunked and request.META.get("wsgi.input_terminated"):
        return _chunked(request, most)
    try:
        announced = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        raise Refusal(INCORRECT_REQUEST) from None
    if announced > most:
        raise TooLarge
    try:
        return request.body
    except OSError:  # the client went away
        raise Refusal(INCORRECT_REQUEST) from None


def _chunked(request: HttpRequest, most: int) -> bytes:
    """A body without Content-Length, which Django would not read: HTTP libraries send streams so."""
    try:
        body: bytes = request.META["wsgi.input"].read(most + 1)
    except Exception:  # the server's own parser errors, which share no base class
        raise Refusal(INCORRECT_REQUEST) from None
    if len(body) > most:
        raise TooLarge
    return body


def _read_body(request: HttpRequest, body: bytes) -> Iterable[tuple[str, list[Any]]]:
    if not body.strip():
        return ()
    charset = (request.content_params or {}).get("charset", "").lower()
    charset = charset if charset in _CHARSETS else "utf-8"
    if request.content_type == "multipart/form-data":
        return _multipart(request, body, charset)
    says_json = request.content_type == "application/json" or (request.content_type or "").endswith("+json")
    if says_json or body.lstrip().startswith((b"{", b"\xef\xbb\xbf{")):
        return _json(body, charset)
    return _plain(QueryDict(body.decode(charset, "replace"), encoding=charset))


def _multipart(request: HttpRequest, body: bytes, charset: str) -> Iterable[tuple[str, list[Any]]]:
    meta = request.META | {"CONTENT_LENGTH": str(len(body))}
    try:
        fields, _files = MultiPartParser(meta, BytesIO(body), [], charset).parse()
    except (MultiPartParserError, ValueError, LookupError):
        raise Refusal(INCORRECT_REQUEST) from None
    return _plain(fields)


def _json(body: bytes, charset: str) -> Iterable[tuple[str, list[Any]]]:
    text = body.decode("utf-8-sig" if charset == "utf-8" else charset, "replace")
    try:
        # Numbers stay text: nothing is lost of a long one, and 100.0 means 100.
        value = json.loads(text, parse_int=str, parse_float=_whole, parse_constant=str)
    except (ValueError, RecursionError):
        raise Refusal(INCORRECT_REQUEST) from None
    if not isinstance(value, dict):
        raise Refusal(INCORRECT_REQUEST)
    return [(name, item if isinstance(item, list) else [item]) for name, item in value.items()]


def _whole(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return str(int(number)) if number.adjusted() < 18 and number == number.to_integral_value() else text


def _plain(fields: QueryDict | MultiValueDict[str, Any]) -> Iterable[tuple[str, list[Any]]]:
    """Of a name that is repeated the last counts, as everywhere on the web; `orders[]` is a list. Ids are gathered
    either way (JavaScript clients write a list as orders=1&orders=2): leaving some out would look like an answer."""
    for name, values in fields.lists():
        listed = name in _ID_LISTS or _INDEXED.fullmatch(name)
        yield name, values if listed else values[-1:]


def _flat(lists: Iterable[tuple[str, list[Any]]]) -> dict[str, str]:
    gathered: dict[str, list[str]] = {}
    for name, values in lists:
        indexed = _INDEXED.fullmatch(name)
        texts = [text for text in map(_text, values) if text not in ABSENT]
        gathered.setdefault(indexed[1] if indexed else name, []).extend(texts)
    return {
        name: (",".join(texts) if name in _ID_LISTS else "\n".join(texts))
        for name, texts in gathered.items()
        if texts
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # An object is nothing that a parameter could be.
    return value.strip() if isinstance(value, str) else ""
