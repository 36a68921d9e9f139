"""Adapters: one per dialect of the panel API. Values in, frozen values out; no models, no database."""
