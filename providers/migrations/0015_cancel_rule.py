from typing import Any

from django.db import migrations, models


def as_before(apps: Any, _editor: Any) -> None:
    """What was approved by rule stays so; all others keep the default, which is what they did."""
    apps.get_model("providers", "Service").objects.filter(auto_cancel=True).update(cancel_rule="rules")


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0014_hid"),
    ]

    operations = [
        migrations.AddField(
            model_name="service",
            name="cancel_rule",
            field=models.CharField(
                choices=[
                    ("review", "Never: staff review each"),
                    ("pending", "While the order is Pending; staff review later ones"),
                    (
                        "rules",
                        "While the order is Pending, and later where the rules have nothing against it",
                    ),
                ],
                db_default="pending",
                default="pending",
                max_length=7,
            ),
        ),
        # The column stays, for a process of the version before that still writes it; nothing reads it any more.
        migrations.AlterField(
            model_name="service",
            name="auto_cancel",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.RunPython(as_before, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name="service", name="auto_cancel")]
        ),
    ]
