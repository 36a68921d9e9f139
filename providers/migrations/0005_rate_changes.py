"""Price history: a trigger writes a row whenever a service's list price or cost changes."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION headwater_rate_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO providers_ratechange (service_id, at, rate, cost_rate)
    VALUES (NEW.id, now(), NEW.rate, NEW.cost_rate);
    RETURN NULL;
END $$;

CREATE TRIGGER service_first_rate AFTER INSERT ON providers_service
    FOR EACH ROW WHEN (NEW.rate > 0) EXECUTE FUNCTION headwater_rate_change();
CREATE TRIGGER service_rate_change AFTER UPDATE OF rate, cost_rate ON providers_service
    FOR EACH ROW WHEN ((NEW.rate, NEW.cost_rate) IS DISTINCT FROM (OLD.rate, OLD.cost_rate) AND NEW.rate > 0)
    EXECUTE FUNCTION headwater_rate_change();

-- What was before is not known; the present price has held at least since the last change of the service.
INSERT INTO providers_ratechange (service_id, at, rate, cost_rate)
SELECT id, changed_at, rate, cost_rate FROM providers_service WHERE rate > 0;
"""

BACKWARD = """
DROP TRIGGER service_first_rate ON providers_service;
DROP TRIGGER service_rate_change ON providers_service;
DROP FUNCTION headwater_rate_change();
"""


class Migration(migrations.Migration):

    dependencies = [("providers", "0004_deny_list_and_hours")]

    operations = [
        migrations.CreateModel(
            name="RateChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("rate", models.DecimalField(decimal_places=8, max_digits=18)),
                ("cost_rate", models.DecimalField(decimal_places=8, max_digits=18)),
                ("service", models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="rate_changes", to="providers.service"
                )),
            ],
            options={
                "indexes": [
                    models.Index(fields=["service", "-id"], name="rate_change_series"),
                    models.Index(fields=["at"], name="rate_change_at"),
                ],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
