"""Wiring: settings, the task queue, addresses, checks, and the local machinery behind ./run and ./test."""

from panel.celery import app as celery_app

__all__ = ["celery_app"]
