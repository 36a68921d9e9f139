"""Funds added, by wallet and time. Built while money moves: an ordinary index would hold it up."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("customers", "0005_suspension_and_erasure")]
    operations = [
        AddIndexConcurrently(
            "transfer",
            models.Index(condition=models.Q(("source", 1)), fields=["target", "at"], name="transfer_deposit"),
        ),
    ]
