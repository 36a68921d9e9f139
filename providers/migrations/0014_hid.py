import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0013_may_have_arrived"),
    ]

    operations = [
        migrations.AddField(
            model_name="catalogchange",
            name="hid",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(), blank=True, null=True, size=None
            ),
        ),
    ]
