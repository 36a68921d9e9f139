from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0016_route_order"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="balance_currency",
            field=models.CharField(blank=True, db_default="", default="", max_length=3),
        ),
    ]
