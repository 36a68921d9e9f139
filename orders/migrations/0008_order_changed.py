"""What changed lately, for the hourly check. Built while orders are placed: an ordinary index would hold them up."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0007_tallies")]
    operations = [
        # It waits for every older transaction, a backup's too. What an interrupted try left behind would stop the next.
        migrations.RunSQL("SET lock_timeout = 0", "SET lock_timeout = 0"),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS order_changed", migrations.RunSQL.noop),
        AddIndexConcurrently("order", models.Index(fields=["status_at"], name="order_changed")),
        migrations.RunSQL("RESET lock_timeout", "RESET lock_timeout"),
    ]
