"""Transfers and audit entries can only be added: guarantees live in the database, not in code paths.

TRUNCATE is refused too, unless the connection says `headwater.allow_truncate = on` (the test suite does).
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION headwater_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND coalesce(current_setting('headwater.allow_truncate', true), '') = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '% rows are append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE ON customers_transfer
    FOR EACH ROW EXECUTE FUNCTION headwater_append_only();
CREATE TRIGGER transfer_no_truncate BEFORE TRUNCATE ON customers_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION headwater_append_only();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON customers_auditentry
    FOR EACH ROW EXECUTE FUNCTION headwater_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON customers_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION headwater_append_only();

-- Ids below 1000 are for the five house accounts; wallets start above them.
SELECT setval(pg_get_serial_sequence('customers_account', 'id'), 1000);
"""

BACKWARD = """
DROP TRIGGER transfer_append_only ON customers_transfer;
DROP TRIGGER transfer_no_truncate ON customers_transfer;
DROP TRIGGER audit_append_only ON customers_auditentry;
DROP TRIGGER audit_no_truncate ON customers_auditentry;
DROP FUNCTION headwater_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("customers", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
