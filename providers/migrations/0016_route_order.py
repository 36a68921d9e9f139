from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0015_cancel_rule"),
    ]

    operations = [
        migrations.AddField(
            model_name="service",
            name="route_order",
            field=models.CharField(
                choices=[("hand", "By hand"), ("cheapest", "Cheapest first, always")],
                db_default="hand",
                default="hand",
                max_length=8,
            ),
        ),
    ]
