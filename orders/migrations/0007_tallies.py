"""Tallies of hours and days that are over, and the triggers that say when one is not to be believed any more.

Cheap on a database of any size: the tables begin empty, and orders.tallying fills them while the panel runs. A trigger
costs a comparison for a row of the present; it writes only when an hour that is over is changed.
"""

import django.utils.timezone
from django.db import migrations, models

FORWARD = """
-- Note that the hour of `at` has changed, when it is over; once in a row for each transaction and kind of time.
CREATE FUNCTION headwater_stale_hour(kind text, at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_hour timestamptz := date_trunc('hour', at, 'UTC');
    word text := extract(epoch FROM of_hour)::bigint::text;
BEGIN
    IF at IS NULL OR of_hour >= date_trunc('hour', clock_timestamp(), 'UTC')
       OR coalesce(current_setting('headwater.stale_' || kind, true), '') = word THEN
        RETURN;
    END IF;
    INSERT INTO orders_stalehour (hour) VALUES (of_hour);
    PERFORM set_config('headwater.stale_' || kind, word, true);
END $$;

CREATE FUNCTION headwater_order_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.cost <> OLD.cost THEN
        PERFORM headwater_stale_hour('created', NEW.created_at);
    END IF;
    IF TG_OP = 'UPDATE' THEN
        PERFORM headwater_stale_hour('ended', OLD.ended_at);
    END IF;
    PERFORM headwater_stale_hour('ended', NEW.ended_at);
    RETURN NULL;
END $$;
CREATE TRIGGER order_hours_placed AFTER INSERT ON orders_order FOR EACH ROW
    WHEN (least(NEW.created_at, NEW.ended_at) < date_trunc('hour', clock_timestamp(), 'UTC'))
    EXECUTE FUNCTION headwater_order_hours();
CREATE TRIGGER order_hours_changed AFTER UPDATE OF cost, status, remains, ended_at ON orders_order FOR EACH ROW
    WHEN ((NEW.cost <> OLD.cost AND NEW.created_at < date_trunc('hour', clock_timestamp(), 'UTC'))
          OR (least(OLD.ended_at, NEW.ended_at) < date_trunc('hour', clock_timestamp(), 'UTC')
              AND (OLD.cost, OLD.status, OLD.remains, OLD.ended_at)
                  IS DISTINCT FROM (NEW.cost, NEW.status, NEW.remains, NEW.ended_at)))
    EXECUTE FUNCTION headwater_order_hours();

-- Who has an order decides under which provider its money counts; what became of it, whether it counts as failed.
CREATE FUNCTION headwater_submission_hours() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    placed_at timestamptz;
    over_at timestamptz;
    moved_at timestamptz;
BEGIN
    SELECT created_at, ended_at INTO placed_at, over_at FROM orders_order WHERE id = NEW.order_id;
    PERFORM headwater_stale_hour('created', placed_at);
    IF NEW.provider_id <> OLD.provider_id THEN
        PERFORM headwater_stale_hour('ended', over_at);
        FOR moved_at IN SELECT at FROM customers_transfer WHERE order_number = NEW.order_id LOOP
            PERFORM headwater_stale_hour('moved', moved_at);
        END LOOP;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER submission_hours AFTER UPDATE OF provider_id, state ON orders_submission FOR EACH ROW
    WHEN (NEW.provider_id <> OLD.provider_id
          OR (NEW.state IN ('rejected', 'unknown', 'written_off')) <> (OLD.state IN ('rejected', 'unknown', 'written_off')))
    EXECUTE FUNCTION headwater_submission_hours();

CREATE FUNCTION headwater_transfer_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM headwater_stale_hour('moved', NEW.at);
    RETURN NULL;
END $$;
CREATE TRIGGER transfer_hours AFTER INSERT ON customers_transfer FOR EACH ROW
    WHEN (NEW.at < date_trunc('hour', clock_timestamp(), 'UTC')) EXECUTE FUNCTION headwater_transfer_hours();
"""

BACKWARD = """
DROP TRIGGER transfer_hours ON customers_transfer;
DROP TRIGGER submission_hours ON orders_submission;
DROP TRIGGER order_hours_changed ON orders_order;
DROP TRIGGER order_hours_placed ON orders_order;
DROP FUNCTION headwater_transfer_hours();
DROP FUNCTION headwater_submission_hours();
DROP FUNCTION headwater_order_hours();
DROP FUNCTION headwater_stale_hour(text, timestamptz);
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_failed_submissions"), ("customers", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="StaleHour",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("hour", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="TalliedSpan",
            fields=[
                (
                    "id",
                    models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"),
                ),
                ("start", models.DateTimeField()),
                ("hours", models.SmallIntegerField()),
                ("keyed", models.BooleanField()),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("keyed", "hours", "start"), name="tallied_span_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "of", "hours", "start", "key", "provider",
                        blank=True, editable=False, primary_key=True, serialize=False,
                    ),
                ),
                (
                    "of",
                    models.SmallIntegerField(
                        choices=[
                            (0, "everything"),
                            (1, "a service and the provider that has its orders"),
                            (2, "a customer"),
                        ]
                    ),
                ),
                ("hours", models.SmallIntegerField()),
                ("start", models.DateTimeField()),
                ("key", models.BigIntegerField(default=0)),
                ("provider", models.BigIntegerField(default=0)),
                ("orders", models.IntegerField()),
                ("failed", models.IntegerField()),
                ("revenue", models.DecimalField(decimal_places=6, max_digits=20)),
                ("refunded", models.DecimalField(decimal_places=6, max_digits=20)),
                ("cost", models.DecimalField(decimal_places=6, max_digits=20)),
            ],
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]  # fmt: skip
