from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("providers", "0011_looked_from"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="stopped",
            field=models.CharField(
                blank=True,
                choices=[("unread", "List to be read"), ("currency", "Another currency")],
                max_length=8,
                db_default="",
                default="",
            ),
        ),
    ]
