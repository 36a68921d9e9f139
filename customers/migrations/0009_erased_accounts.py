"""Erased accounts, few among all. Built while people sign in: an ordinary index would hold them up."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("customers", "0008_deposit_decided"),
    ]
    operations = [
        # It waits for every older transaction, a backup's too. What an interrupted try left behind would stop the next.
        migrations.RunSQL("SET lock_timeout = 0", "SET lock_timeout = 0"),
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS user_erased", migrations.RunSQL.noop),
        AddIndexConcurrently(
            "user",
            models.Index(condition=models.Q(("erased_at__isnull", False)), fields=["erased_at"], name="user_erased"),
        ),
        migrations.RunSQL("RESET lock_timeout", "RESET lock_timeout"),
    ]
