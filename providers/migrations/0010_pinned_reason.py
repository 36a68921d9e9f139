from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0009_lane_fails"),
    ]

    operations = [
        migrations.AddField(
            model_name="service",
            name="pinned_reason",
            # by the database: a process of the version before inserts services without it
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
    ]
