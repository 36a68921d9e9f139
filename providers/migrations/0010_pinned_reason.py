from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0009_lane_fails"),
    ]

    operations = [
        migrations.AddField(
            model_name="service",
            name="pinned_reason",
            field=models.CharField(blank=True, default="", max_length=200),
            preserve_default=False,
        ),
    ]
