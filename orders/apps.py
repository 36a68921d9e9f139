from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OrdersConfig(AppConfig):
    name = "orders"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from orders.models.submission import ensure_dispatch_switch

        post_migrate.connect(ensure_dispatch_switch, sender=self)
