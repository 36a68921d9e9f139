"""Answers leave compressed: a proxy in front need not do it, and a panel without one is as light."""

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

# Below one Ethernet packet nothing arrives sooner: most answers of the API, the parts that a page asks for.
WORTH_IT = 1_400  # bytes
TEXT = ("text/", "application/json", "application/javascript", "application/manifest+json", "image/svg+xml")


class Compression(GZipMiddleware):
    """gzip for text of some length, to whoever accepts it; Django adds noise to its length (BREACH).

    Streams stay streams: of a CSV is compressed what has been read so far. Static files come packed already where
    they were collected; where they are served from the tree (`./run`) they are packed here, and keep the ETag by
    which WhiteNoise recognizes them, or they would be sent again each time they are asked after.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not _worth_it(request, response):
            return response
        etag = response.get("ETag")
        packed = super().process_response(request, response)
        if etag and request.path.startswith(settings.STATIC_URL):
            packed.headers["ETag"] = etag
        return packed


def _worth_it(request: HttpRequest, response: HttpResponseBase) -> bool:
    if request.method == "HEAD" or response.status_code in (204, 206, 304):
        return False
    if not response.get("Content-Type", "").startswith(TEXT):
        return False
    if not response.streaming:
        return len(response.content) >= WORTH_IT  # type: ignore[attr-defined]  # only streams have none
    return int(response.get("Content-Length") or WORTH_IT) >= WORTH_IT
