"""Tallies also keep units and how orders ended, and days are summed up into longer spans.

Cheap on a database of any size: the columns come with a constant default. It is dropped again, so that a worker of the
version before, if one still runs, cannot write a tally without them: its task fails and is done by the new one. Sums by
service and customer made so far lack the new figures and are not believed any more; reports read the ledger until the
clock has made them anew, the newest day first (about 3 s for each day of 29,000 orders).
"""

from django.db import migrations, models

# How an order ended counts for its provider if that had taken it: so a doubt that is decided after the end counts too.
FUNCTION = """
CREATE OR REPLACE FUNCTION headwater_submission_hours() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    placed_at timestamptz;
    over_at timestamptz;
    moved_at timestamptz;
BEGIN
    SELECT created_at, ended_at INTO placed_at, over_at FROM orders_order WHERE id = NEW.order_id;
    PERFORM headwater_stale_hour('created', placed_at);
    {ended}
    IF NEW.provider_id <> OLD.provider_id THEN
        {moved}
        FOR moved_at IN SELECT at FROM customers_transfer WHERE order_number = NEW.order_id LOOP
            PERFORM headwater_stale_hour('moved', moved_at);
        END LOOP;
    END IF;
    RETURN NULL;
END $$;
"""
MARK = "PERFORM headwater_stale_hour('ended', over_at);"


class Migration(migrations.Migration):
    dependencies = [("orders", "0008_order_changed")]

    operations = [
        migrations.AddField("tally", "units", models.BigIntegerField(default=0), preserve_default=False),
        migrations.AddField("tally", "completed", models.IntegerField(default=0), preserve_default=False),
        migrations.AddField("tally", "partial", models.IntegerField(default=0), preserve_default=False),
        migrations.AddField("tally", "canceled", models.IntegerField(default=0), preserve_default=False),
        migrations.RunSQL(FUNCTION.format(ended=MARK, moved=""), FUNCTION.format(ended="", moved=MARK)),
        migrations.RunSQL("DELETE FROM orders_talliedspan WHERE keyed", migrations.RunSQL.noop),
    ]
