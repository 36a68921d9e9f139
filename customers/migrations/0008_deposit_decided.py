"""Payments that were decided lately, without reading all of them. Built while money moves: an ordinary index would hold it up."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("customers", "0007_transfer_no_charge")]
    operations = [
        # It waits for every older transaction, a backup's too. What an interrupted try left behind would stop the next.
        migrations.RunSQL("SET lock_timeout = 0", "SET lock_timeout = 0"),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS deposit_decided", migrations.RunSQL.noop),
        AddIndexConcurrently(
            "depositrequest",
            models.Index(
                condition=models.Q(("state", "pending"), _negated=True),
                fields=["-decided_at", "-id"],
                name="deposit_decided",
            ),
        ),
        migrations.RunSQL("RESET lock_timeout", "RESET lock_timeout"),
    ]
