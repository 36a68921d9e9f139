"""What changed lately, for the hourly check. Built while orders are placed: an ordinary index would hold them up."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0007_tallies")]
    operations = [
        AddIndexConcurrently("order", models.Index(fields=["status_at"], name="order_changed")),
    ]
