from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0010_pinned_reason"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="looked_from_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="provider",
            name="looked_from_order",
            field=models.BigIntegerField(blank=True, null=True),
        ),
    ]
