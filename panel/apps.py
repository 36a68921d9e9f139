from django.apps import AppConfig


class PanelConfig(AppConfig):
    """The wiring as an app: the queue, system checks, template tags, errors to Sentry; it has no models."""

    name = "panel"

    def ready(self) -> None:
        from panel import celery, checks, errors

        celery.app.set_default()  # every @shared_task now sends through our broker
        checks.connect()
        errors.connect()
