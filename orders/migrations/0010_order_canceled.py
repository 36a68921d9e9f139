"""Canceled orders by when they were placed, for what was sold lately. Built while orders are placed, as 0008 is."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0009_more_in_tallies")]
    operations = [
        # It waits for every older transaction, a backup's too. What an interrupted try left behind would stop the next.
        migrations.RunSQL("SET lock_timeout = 0", "SET lock_timeout = 0"),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS order_canceled", migrations.RunSQL.noop),
        AddIndexConcurrently(
            "order",
            models.Index(
                fields=["created_at"],
                include=["service", "total"],
                condition=models.Q(status="Canceled"),
                name="order_canceled",
            ),
        ),
        migrations.RunSQL("RESET lock_timeout", "RESET lock_timeout"),
    ]
