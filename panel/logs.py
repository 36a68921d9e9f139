"""Logs are one JSON object a line, and never hold a key, a password or a token."""

import logging
import re
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_NAMES = frozenset(
    "key api_key apikey password passwd secret token authorization cookie csrfmiddlewaretoken sessionid"
    " idempotency_key field_keys secret_key totp_secret x_api_key".split()
)
GONE = "[redacted]"
# key=… in URLs and form bodies, "key": "…" in JSON, and the password of a connection URL
_PAIR = re.compile(r"(?i)\b(api_?key|key|password|passwd|token|secret)(\"?\s*[=:]\s*\"?)([^\s&\"',;}\]]{6,})")
# a key of ours wherever it stands and whatever it is called; shorter ones are the prefixes that lists show
_OUR_KEY = re.compile(r"(?i)\bhw(_|%5f)[0-9a-f]{16,}")
_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):([^\s/@]+)@")


def scrub(text: str) -> str:
    """`text` with the values of secrets replaced; what is left says where they stood."""
    return _OUR_KEY.sub(GONE, _URL_PASSWORD.sub(rf"\1:{GONE}@", _PAIR.sub(rf"\1\2{GONE}", text)))


class ScrubbedFormatter(logging.Formatter):
    """Around a formatter that is not ours: what it wrote, without secrets."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return scrub(self.inner.format(record))


def _scrub_value(value: Any) -> Any:
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {
            name: GONE if str(name).lower().replace("-", "_") in SECRET_NAMES else _scrub_value(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_scrub_value(inner) for inner in value]
    return value


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """The structlog processor that every line passes through, whoever logged it."""
    return {
        name: GONE if name.lower() in SECRET_NAMES else value if name.startswith("_") else _scrub_value(value)
        for name, value in event.items()
    }


_shared: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def logging_config(level: str) -> dict[str, Any]:
    """The dictConfig for LOGGING: everything to stderr as JSON, redacted last so that tracebacks are too."""
    structlog.configure(
        processors=[*_shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "structlog.stdlib.ProcessorFormatter",
                "foreign_pre_chain": _shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    redact,
                    structlog.processors.JSONRenderer(default=str),
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"level": level},
            "django.server": {"handlers": ["stderr"], "propagate": False, "level": level},
            # a line for each message and each beat tick would be most of the log
            "celery": {"level": "WARNING" if level == "INFO" else level},
            "kombu": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
        },
    }
