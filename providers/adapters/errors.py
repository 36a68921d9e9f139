"""Errors named after the caller's question: may the order have been placed?

No: Refused (the provider said so) or NotSent (nothing left this machine). Perhaps: Uncertain.
Reads, which may be repeated freely, raise Refused, Unavailable (ask again later) or Misconfigured (a person
has to change something).
"""

REFUSAL_KINDS = (
    "auth",
    "provider_funds",
    "service",
    "duplicate_link",
    "link",
    "quantity",
    "missing_field",
    "order",
    "rate_limit",
    "protocol",
    "unknown",
)


class ProviderError(Exception):
    """`reason`: a short machine word. `message`: a plain sentence. `excerpt`: at most 500 characters of the
    answer. None of them ever holds the provider key."""

    def __init__(
        self, message: str, *, reason: str = "", http_status: int | None = None, excerpt: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.http_status = http_status
        self.excerpt = excerpt


class Refused(ProviderError):
    """The provider answered and certainly did not act. `kind` is one of REFUSAL_KINDS."""

    def __init__(
        self,
        message: str,
        *,
        kind: str = "unknown",
        reason: str = "refused",
        http_status: int | None = None,
        excerpt: str = "",
    ) -> None:
        super().__init__(message, reason=reason, http_status=http_status, excerpt=excerpt)
        self.kind = kind


class NotSent(ProviderError):
    """Surely nothing was sent. Reasons: address, dns, connect, tls, certificate, deadline, and whatever a
    caller's before_write raises (too_late, …)."""


class Uncertain(ProviderError):
    """The provider may have acted. `candidate_id`: an id that came with doubt. `deadline`: time ran out.
    `partial`: what had arrived, for reading a candidate id from; not for showing."""

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        http_status: int | None = None,
        excerpt: str = "",
        candidate_id: str = "",
        deadline: bool = False,
        partial: bytes = b"",
    ) -> None:
        super().__init__(message, reason=reason, http_status=http_status, excerpt=excerpt)
        self.candidate_id = candidate_id
        self.deadline = deadline
        self.partial = partial


class Misconfigured(ProviderError):
    """A read cannot work until a person changes the address, the key or an option.
    Reasons: redirect, challenge, not_json, wrong_url, forbidden, address, certificate, unexpected."""


class Unavailable(ProviderError):
    """A read failed for now. Reasons: deadline, dns, connect, tls, lost, http_5xx, empty, truncated,
    oversize, no_value."""
