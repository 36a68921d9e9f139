"""What the database itself refuses, also from a shell.

* submissions: only the arrows of RELIABILITY (Submission.MOVES); a fence never falls; an upstream id, once
  stored, is never changed; no row is deleted. queued → unknown only in a session that says
  `headwater.after_restore = on` (resume_dispatch --after-restore).
* attempts: evidence is written once; a state only moves forward.
* events: append-only. Orders: what was sold, to whom, and the frozen prices never change; never deleted.
* requests: only the arrows of Request.MOVES.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION headwater_submission_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a submission is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.order_id <> OLD.order_id OR NEW.request_key <> OLD.request_key OR NEW.fence < OLD.fence THEN
        RAISE EXCEPTION 'submission %: identity and fence cannot go back', OLD.order_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.provider_order_id IS NOT NULL AND NEW.provider_order_id IS DISTINCT FROM OLD.provider_order_id THEN
        RAISE EXCEPTION 'submission %: an upstream order id is never changed', OLD.order_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state AND NOT (
           (OLD.state = 'held'    AND NEW.state IN ('queued', 'withdrawn', 'rejected'))
        OR (OLD.state = 'queued'  AND NEW.state IN ('held', 'claimed', 'withdrawn', 'rejected'))
        OR (OLD.state = 'queued'  AND NEW.state = 'unknown' AND coalesce(current_setting('headwater.after_restore', true), '') = 'on')
        OR (OLD.state = 'claimed' AND NEW.state IN ('queued', 'sending'))
        OR (OLD.state = 'sending' AND NEW.state IN ('accepted', 'queued', 'rejected', 'unknown'))
        OR (OLD.state = 'unknown' AND NEW.state IN ('accepted', 'rejected', 'queued', 'written_off'))
    ) THEN
        RAISE EXCEPTION 'submission %: % -> % is not a legal move', OLD.order_id, OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
-- Polling touches every followed row; the trigger fires only where one of its facts may change.
CREATE TRIGGER submission_moves BEFORE UPDATE OF state, fence, provider_order_id, order_id, request_key OR DELETE
    ON orders_submission FOR EACH ROW EXECUTE FUNCTION headwater_submission_moves();

CREATE FUNCTION headwater_attempt_evidence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an attempt is evidence and never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (NEW.submission_id, NEW.fence, NEW.provider_id, NEW.offer_id, NEW.cost, NEW.params_hash, NEW.started_at)
       IS DISTINCT FROM (OLD.submission_id, OLD.fence, OLD.provider_id, OLD.offer_id, OLD.cost, OLD.params_hash, OLD.started_at)
       OR (OLD.candidate_id <> '' AND NEW.candidate_id <> OLD.candidate_id)
       OR (OLD.late_evidence IS NOT NULL AND NEW.late_evidence IS DISTINCT FROM OLD.late_evidence) THEN
        RAISE EXCEPTION 'attempt %: evidence is written once', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.state <> OLD.state AND NOT (
           (OLD.state = 'sending' AND NEW.state IN ('accepted', 'not_accepted', 'unknown'))
        OR (OLD.state = 'unknown' AND NEW.state IN ('accepted', 'not_accepted', 'absent'))
    ) THEN
        RAISE EXCEPTION 'attempt %: % -> % is not a legal move', OLD.id, OLD.state, NEW.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attempt_evidence BEFORE UPDATE OR DELETE ON orders_submissionattempt
    FOR EACH ROW EXECUTE FUNCTION headwater_attempt_evidence();

CREATE FUNCTION headwater_order_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an order is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RAISE EXCEPTION 'order %: what was sold and its charge never change, and a refund is never taken back', OLD.id
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER order_frozen BEFORE UPDATE ON orders_order FOR EACH ROW
    WHEN ((OLD.id, OLD.user_id, OLD.service_id, OLD.quantity, OLD.runs, OLD.total, OLD.rate, OLD.charge, OLD.created_at)
          IS DISTINCT FROM
          (NEW.id, NEW.user_id, NEW.service_id, NEW.quantity, NEW.runs, NEW.total, NEW.rate, NEW.charge, NEW.created_at)
          OR NEW.refunded < OLD.refunded)
    EXECUTE FUNCTION headwater_order_frozen();
CREATE TRIGGER order_kept BEFORE DELETE ON orders_order FOR EACH ROW EXECUTE FUNCTION headwater_order_frozen();

CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE ON orders_orderevent
    FOR EACH ROW EXECUTE FUNCTION headwater_append_only();

CREATE FUNCTION headwater_request_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT (
           (OLD.state = 'requested' AND NEW.state IN ('approved', 'denied', 'withdrawn', 'done'))
        OR (OLD.state = 'approved'  AND NEW.state IN ('claimed', 'denied', 'withdrawn', 'requested', 'done', 'rejected'))
        OR (OLD.state = 'claimed'   AND NEW.state IN ('approved', 'sending', 'done', 'rejected'))
        OR (OLD.state = 'sending'   AND NEW.state IN ('accepted', 'approved', 'rejected', 'unknown', 'requested', 'done'))
        OR (OLD.state = 'accepted'  AND NEW.state IN ('done', 'rejected'))
        OR (OLD.state = 'unknown'   AND NEW.state IN ('accepted', 'approved', 'denied', 'done', 'rejected'))
        OR (OLD.state = 'rejected'  AND NEW.state = 'requested')
    ) THEN
        RAISE EXCEPTION 'request %: % -> % is not a legal move', OLD.id, OLD.state, NEW.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER request_moves BEFORE UPDATE ON orders_request FOR EACH ROW
    WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION headwater_request_moves();

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['orders_order', 'orders_orderevent', 'orders_submission', 'orders_submissionattempt', 'orders_request'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION headwater_append_only()', t || '_no_truncate', t);
    END LOOP;
END $$;

-- One number per reading of statuses, taken before the request leaves: an older answer never overwrites a newer one.
CREATE SEQUENCE orders_observation_seq;
"""

BACKWARD = """
DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['orders_order', 'orders_orderevent', 'orders_submission', 'orders_submissionattempt', 'orders_request'] LOOP
        EXECUTE format('DROP TRIGGER %I ON %I', t || '_no_truncate', t);
    END LOOP;
END $$;
DROP SEQUENCE orders_observation_seq;
DROP TRIGGER request_moves ON orders_request;
DROP TRIGGER event_append_only ON orders_orderevent;
DROP TRIGGER order_frozen ON orders_order;
DROP TRIGGER order_kept ON orders_order;
DROP TRIGGER attempt_evidence ON orders_submissionattempt;
DROP TRIGGER submission_moves ON orders_submission;
DROP FUNCTION headwater_request_moves();
DROP FUNCTION headwater_order_frozen();
DROP FUNCTION headwater_attempt_evidence();
DROP FUNCTION headwater_submission_moves();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial"), ("customers", "0002_append_only")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
