from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("providers", "0002_longer_upstream_ids")]

    operations = [
        migrations.AddField("service", "own_minimum", models.BigIntegerField(blank=True, null=True)),
        migrations.AddField("service", "own_maximum", models.BigIntegerField(blank=True, null=True)),
    ]
