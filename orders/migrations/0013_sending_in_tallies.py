"""Tallies also keep how many attempts each provider was sent, and how many of them failed for its sake.

Hours tallied so far lack them and are not believed any more, as in 0009, with which this is one release. The triggers
cost a comparison for an attempt of the present.
"""

from django.db import migrations, models

FORWARD = """
CREATE FUNCTION headwater_attempt_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM headwater_stale_hour('sent', NEW.started_at);
    RETURN NULL;
END $$;
CREATE TRIGGER attempt_hours_begun AFTER INSERT ON orders_submissionattempt FOR EACH ROW
    WHEN (NEW.started_at < date_trunc('hour', clock_timestamp(), 'UTC')) EXECUTE FUNCTION headwater_attempt_hours();
CREATE TRIGGER attempt_hours_changed AFTER UPDATE OF state, reason ON orders_submissionattempt FOR EACH ROW
    WHEN (NEW.started_at < date_trunc('hour', clock_timestamp(), 'UTC')
          AND (NEW.state = 'unknown' OR (NEW.state = 'not_accepted' AND NEW.reason IN ('not_sent', 'auth', 'provider_funds', 'rate_limit')))
           <> (OLD.state = 'unknown' OR (OLD.state = 'not_accepted' AND OLD.reason IN ('not_sent', 'auth', 'provider_funds', 'rate_limit'))))
    EXECUTE FUNCTION headwater_attempt_hours();
DELETE FROM orders_talliedspan WHERE keyed;
"""
BACKWARD = """
DROP TRIGGER attempt_hours_changed ON orders_submissionattempt;
DROP TRIGGER attempt_hours_begun ON orders_submissionattempt;
DROP FUNCTION headwater_attempt_hours();
DELETE FROM orders_tally WHERE of = 3;
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0012_request_answered")]

    operations = [
        migrations.AlterField(
            "tally",
            "of",
            models.SmallIntegerField(
                choices=[
                    (0, "everything"),
                    (1, "a service and the provider that has its orders"),
                    (2, "a customer"),
                    (3, "a provider's answers"),
                ]
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
