from django.apps import AppConfig


class PanelConfig(AppConfig):
    """The wiring as an app: system checks, template tags and errors to Sentry; it has no models."""

    name = "panel"

    def ready(self) -> None:
        from panel import checks, errors

        checks.connect()
        errors.connect()
