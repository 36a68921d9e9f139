"""What left a wallet for anything but orders. Built while money moves: an ordinary index would hold it up."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("customers", "0006_transfer_deposit")]
    operations = [
        # It waits for every older transaction, a backup's too. What an interrupted try left behind would stop the next.
        migrations.RunSQL("SET lock_timeout = 0", "SET lock_timeout = 0"),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS transfer_no_charge", migrations.RunSQL.noop),
        AddIndexConcurrently(
            "transfer",
            models.Index(
                condition=models.Q(("target", 2), _negated=True),
                fields=["source", "-id"],
                name="transfer_no_charge",
            ),
        ),
        migrations.RunSQL("RESET lock_timeout", "RESET lock_timeout"),
    ]
