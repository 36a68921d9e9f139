"""Requests that were answered, by when. Built while orders are placed, as 0008 is."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("orders", "0011_submission_progress")]
    operations = [
        # It waits for every older transaction, a backup's too. What an interrupted try left behind would stop the next.
        migrations.RunSQL("SET lock_timeout = 0", "SET lock_timeout = 0"),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS request_answered", migrations.RunSQL.noop),
        AddIndexConcurrently(
            "request",
            models.Index(
                condition=models.Q(("state__in", ["done", "rejected", "denied"])),
                fields=["-state_at"],
                name="request_answered",
            ),
        ),
        migrations.RunSQL("RESET lock_timeout", "RESET lock_timeout"),
    ]
