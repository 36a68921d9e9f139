"""The ways to tell operators something: e-mail, a webhook of their own, a chat bot. One function each.

    mail   one message to all addresses
    hook   POST of JSON, one event each, signed: `X-Headwater-Signature: t=<unix time>,v1=<hex HMAC-SHA256 of
           "<t>.<body>" with the shared secret>`; an event's `id` is the same when it comes a second time
    chat   POST of {"chat_id", "text"} as Telegram's sendMessage takes it

Addresses and secrets are kept encrypted and appear in no log, message or error: `NotTold` names the host at most.
Outgoing calls pass the same door as those to providers: vetted addresses, no redirects, one deadline.
"""

import hashlib
import hmac
import json
import logging
import smtplib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.core.mail import EmailMessage

from customers.encryption import SecretUnreadable
from customers.site_settings import Secret, SiteSettings
from providers.adapters.errors import NotSent, ProviderError
from providers.connecting import door
from providers.models import Telling

log = logging.getLogger(__name__)
DEADLINE_S = 10.0
LARGEST_ANSWER = 65_536
_WHY = {
    "address": "its address is not allowed here: only https, and no private network",
    "dns": "its name was not found",
    "connect": "it could not be reached",
    "certificate": "its certificate could not be verified",
    "tls": "no secure connection could be made",
    "deadline": "it did not answer in time",
}


class NotTold(Exception):
    """The message did not arrive, or nobody knows that it did (`may_have`). The text is for the page of alerts."""

    def __init__(self, text: str, *, may_have: bool = False) -> None:
        super().__init__(text)
        self.may_have = may_have


def channels_of(site: SiteSettings) -> list[str]:
    """The channels that are set up, in the order of Telling.Channel."""
    set_up = {
        Telling.Channel.MAIL: bool(site.notice_emails),
        Telling.Channel.HOOK: bool(site.hook_address),
        Telling.Channel.CHAT: bool(site.chat_address and site.chat_id),
    }
    return [str(channel) for channel, ready in set_up.items() if ready]


def send(channel: str, site: SiteSettings, events: Sequence[Mapping[str, Any]]) -> None:
    """Tell these events (see telling.event_of) by one message, or one each where the channel wants that.

    Raises NotTold. With several events that is so for all: a channel that takes one at a time gets one.
    """
    _SENDERS[channel](site, events)


def _mail(site: SiteSettings, events: Sequence[Mapping[str, Any]]) -> None:
    first = events[0]["title"]
    more = f" (and {len(events) - 1} more)" if len(events) > 1 else ""
    body = "\n\n".join(_as_text(event) for event in events)
    subject = " ".join(f"{site.site_name}: {first}".split())[:150] + more
    try:
        EmailMessage(subject, f"{body}\n", None, list(site.notice_emails)).send()
    except (smtplib.SMTPException, OSError) as error:
        # Broken off in the middle, the server may have it; a refusal, or no connection, says that it has not.
        broken = isinstance(error, (smtplib.SMTPServerDisconnected, TimeoutError, ConnectionResetError))
        raise NotTold(f"The mail server did not take it ({type(error).__name__}).", may_have=broken) from None


def _hook(site: SiteSettings, events: Sequence[Mapping[str, Any]]) -> None:
    for event in events:
        body = json.dumps(event, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "X-Headwater-Event": str(event["event"])}
        if secret := _opened(site.hook_secret):
            headers["X-Headwater-Signature"] = signature(secret, body, int(time.time()))
        _post(site.hook_address, body, headers)


def signature(secret: str, body: bytes, at: int) -> str:
    """`t=<at>,v1=<hex>`; a receiver computes the same and refuses what is older than some minutes."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _chat(site: SiteSettings, events: Sequence[Mapping[str, Any]]) -> None:
    text = "\n\n".join(_as_text(event) for event in events)[:4000]
    body = json.dumps({"chat_id": site.chat_id, "text": text}).encode()
    _post(site.chat_address, body, {"Content-Type": "application/json"})


_SENDERS: dict[str, Callable[[SiteSettings, Sequence[Mapping[str, Any]]], None]] = {
    Telling.Channel.MAIL: _mail,
    Telling.Channel.HOOK: _hook,
    Telling.Channel.CHAT: _chat,
}


def _as_text(event: Mapping[str, Any]) -> str:
    return "\n".join(part for part in (event["title"], event["text"], event["link"]) if part)


def _post(address: Secret, body: bytes, headers: Mapping[str, str]) -> None:
    try:
        reply = door().post(
            _opened(address), body, headers=headers, deadline_s=DEADLINE_S, cap_bytes=LARGEST_ANSWER
        )
    except ProviderError as error:
        why = _WHY.get(error.reason, "the connection broke before it answered")
        may_have = not isinstance(error, NotSent)
        arrived = "It may have arrived" if may_have else "Nothing was sent"
        raise NotTold(f"{arrived}: {address.shown}: {why}.", may_have=may_have) from None
    if not 200 <= reply.http_status < 300:
        # Whoever fails on his side, or a gateway before him, may have acted on it first.
        raise NotTold(
            f"{address.shown} answered with HTTP {reply.http_status}.", may_have=reply.http_status >= 500
        )


def _opened(secret: Secret) -> str:
    try:
        return secret.open()
    except SecretUnreadable:
        raise NotTold("The stored address or secret cannot be read with the present FIELD_KEYS.") from None
