"""When the database last went back in time: a refusal of an attempt from before that proves nothing any more."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_longer_upstream_ids")]
    operations = [
        migrations.AddField(
            model_name="dispatchswitch",
            name="restored_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
