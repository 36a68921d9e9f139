"""Adapters: one per dialect of the panel API. Values in, frozen values out; no models, no database."""

from providers.adapters.base import Adapter
from providers.adapters.options import OPTIONS, Option, read_options
from providers.adapters.standard import StandardAdapter

REGISTRY: dict[str, type[Adapter]] = {"standard": StandardAdapter}

__all__ = ["OPTIONS", "REGISTRY", "Adapter", "Option", "StandardAdapter", "read_options"]
