"""Media URL: the older forms of an order (media_url, dripfeed, quantity beside comments) and words of its own."""

from collections.abc import Mapping
from typing import ClassVar

from providers.adapters.options import OPTIONS, Option
from providers.adapters.results import RefillWord, Word
from providers.adapters.standard import StandardAdapter


class MediaUrlAdapter(StandardAdapter):
    own_options: ClassVar[Mapping[str, Option]] = {
        "quantity_with_comments": Option("flag", True, OPTIONS["quantity_with_comments"].help),
        "dripfeed_flag": Option("flag", True, OPTIONS["dripfeed_flag"].help),
        "field_renames": Option("pairs", {"media": "media_url"}, OPTIONS["field_renames"].help),
    }
    words: ClassVar[Mapping[str, Word]] = {
        **StandardAdapter.words,
        "inqueue": Word.PENDING,
        "delivering": Word.IN_PROGRESS,
        "delivered": Word.COMPLETED,
        "stopped": Word.PARTIAL,
    }
    refill_words: ClassVar[Mapping[str, RefillWord]] = {
        **StandardAdapter.refill_words,
        "finished": RefillWord.COMPLETED,
        "declined": RefillWord.REJECTED,
    }
