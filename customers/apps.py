from django.apps import AppConfig
from django.db.models.signals import post_migrate


class CustomersConfig(AppConfig):
    name = "customers"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from customers import security_trail
        from customers.models.money import ensure_house_accounts

        security_trail.connect()

        post_migrate.connect(ensure_house_accounts, sender=self)
