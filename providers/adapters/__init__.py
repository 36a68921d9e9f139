"""Adapters: one per dialect of the panel API. Values in, frozen values out; no models, no database."""

from providers.adapters.base import Adapter
from providers.adapters.lists_with_ids import ListsWithIdsAdapter
from providers.adapters.media_url import MediaUrlAdapter
from providers.adapters.options import OPTIONS, Option, read_options
from providers.adapters.standard import StandardAdapter
from providers.adapters.success_envelopes import SuccessEnvelopesAdapter

REGISTRY: dict[str, type[Adapter]] = {
    "standard": StandardAdapter,
    "lists_with_ids": ListsWithIdsAdapter,
    "success_envelopes": SuccessEnvelopesAdapter,
    "media_url": MediaUrlAdapter,
}

__all__ = ["OPTIONS", "REGISTRY", "Adapter", "Option", "StandardAdapter", "read_options"]
