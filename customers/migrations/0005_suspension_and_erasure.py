"""Words for a suspended customer, his wish to be deleted, and the one change of the audit trail that erasure needs.

An entry of the audit trail can still not be changed or deleted. Erasing a customer's personal data may replace his
e-mail in the words of an entry and drop the address he came from; when, who (by number), what and about what stay
as they are. It takes the transaction's own setting `headwater.erasing` (customers/erasing.py).
"""

from django.db import migrations, models

FORWARD = """
CREATE FUNCTION headwater_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND coalesce(current_setting('headwater.erasing', true), '') = 'on'
        AND (NEW.id, NEW.at, NEW.verb, NEW.subject) = (OLD.id, OLD.at, OLD.verb, OLD.subject)
        AND NEW.actor_id IS NOT DISTINCT FROM OLD.actor_id
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% rows are append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
DROP TRIGGER audit_append_only ON customers_auditentry;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON customers_auditentry
    FOR EACH ROW EXECUTE FUNCTION headwater_audit_append_only();
"""

BACKWARD = """
DROP TRIGGER audit_append_only ON customers_auditentry;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON customers_auditentry
    FOR EACH ROW EXECUTE FUNCTION headwater_append_only();
DROP FUNCTION headwater_audit_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("customers", "0004_language")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="suspended_note",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name="user",
            name="deletion_asked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
