-- Incidents: what no machine may decide.  Opened once by kind and subject, whoever finds it and how often; resolved by
-- two operators who ask for the same, through entries and moves of their own, never by an edit.

-- Whose it is when nobody of ours is known: the house's own customer, made when something of its own is first recorded.
-- Not the nil UUID, behind which walks through all customers begin; in C it is HOUSE_CUSTOMER.
CREATE OR REPLACE FUNCTION house_customer() RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT '00000000-0000-8000-8000-000000000000'::uuid
$$;
GRANT EXECUTE ON FUNCTION house_customer() TO dues_service;

CREATE OR REPLACE FUNCTION house_customer_ensure(p_customer uuid, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF p_customer = house_customer() AND NOT EXISTS (SELECT FROM customer c WHERE c.customer_id = p_customer) THEN
        INSERT INTO customer (customer_id, display_name, create_time) VALUES (p_customer, 'the house', p_now)
        ON CONFLICT ON CONSTRAINT customer_pkey DO NOTHING;
    END IF;
END $$;

-- The id that the incident has wherever it is found: a UUIDv8 of what it is about.
CREATE OR REPLACE FUNCTION incident_derive_id(p_customer uuid, p_kind text, p_subject text) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    v_hash bytea := substr(sha256(convert_to(p_customer || E'\n' || p_kind || E'\n' || p_subject, 'UTF8')), 1, 16);
BEGIN
    v_hash := set_byte(v_hash, 6, get_byte(v_hash, 6) & 15 | 128);
    v_hash := set_byte(v_hash, 8, get_byte(v_hash, 8) & 63 | 128);
    RETURN encode(v_hash, 'hex')::uuid;
END $$;

-- For steps.  True: it is new.  `p_again`: what was resolved is open again when it happens again (an attempt that came back
-- to people); anything else that was resolved stays so.
CREATE OR REPLACE FUNCTION incident_add(p_customer uuid, p_incident uuid, p_new incident_new, p_again boolean,
                                        p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_id uuid;
BEGIN
    PERFORM house_customer_ensure(p_customer, p_now);
    INSERT INTO incident AS i (customer_id, incident_id, kind, subject, detail, attempt_id, payment_id, gateway,
                               gateway_transaction, currency, amount, create_time, update_time)
    VALUES (p_customer, coalesce(p_incident, incident_derive_id(p_customer, p_new.kind, p_new.subject)), p_new.kind,
            p_new.subject, p_new.detail, p_new.attempt_id, p_new.payment_id, coalesce(p_new.gateway, ''),
            coalesce(p_new.gateway_transaction, ''), p_new.currency, p_new.amount, p_now, p_now)
    ON CONFLICT ON CONSTRAINT incident_opened_once DO UPDATE
       SET state = 'OPEN', version = i.version + 1, detail = excluded.detail, resolution = '', account = '', outcome = '',
           update_time = p_now
     WHERE p_again AND i.state = 'RESOLVED'
    RETURNING i.incident_id INTO v_id;
    IF v_id IS NULL THEN
        RETURN false;
    END IF;
    PERFORM event_append(p_customer, 'incident.opened', v_id,
                         jsonb_build_object('kind', p_new.kind, 'about', p_new.subject), p_now);
    RETURN true;
END $$;

-- The same as a step of its own.  `p_incident` NULL: an id that follows from kind and subject.
CREATE OR REPLACE FUNCTION incident_open(p_customer uuid, p_incident uuid, p_kind text, p_subject text, p_detail text,
                                         p_now timestamptz, p_attempt uuid DEFAULT NULL, p_payment uuid DEFAULT NULL,
                                         p_gateway text DEFAULT '', p_transaction text DEFAULT '',
                                         p_currency text DEFAULT NULL, p_amount bigint DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    RETURN incident_add(p_customer, p_incident,
                        ROW(p_kind, p_subject, p_detail, p_attempt, p_payment, p_gateway, p_transaction, p_currency,
                            p_amount)::incident_new, false, p_now);
END $$;
GRANT EXECUTE ON FUNCTION incident_open(uuid, uuid, text, text, text, timestamptz, uuid, uuid, text, text, text, bigint)
    TO dues_service;

-- What stands in suspense because of an incident: of the incident itself and of its attempt, which other incidents may be
-- about as well; in the incident's currency.  A credit, so money that came is negative.
DROP FUNCTION IF EXISTS incident_suspense(uuid, uuid, uuid);
CREATE OR REPLACE FUNCTION incident_suspense(p_customer uuid, p_incident uuid, p_attempt uuid, p_currency text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = dues, pg_temp AS $$
    SELECT coalesce(sum(e.amount), 0)::bigint FROM ledger_entry e
     WHERE e.customer_id = p_customer AND e.account = 'suspense' AND e.currency = p_currency
       AND (e.group_id IN (p_attempt, p_incident)
            OR e.group_id IN (SELECT i.incident_id FROM incident i
                               WHERE i.customer_id = p_customer AND i.attempt_id = p_attempt))
$$;
GRANT EXECUTE ON FUNCTION incident_suspense(uuid, uuid, uuid, text) TO dues_service;

-- Does what was asked of the gateway still wait for its result, as far as payment, refund and ledger tell?
CREATE OR REPLACE FUNCTION attempt_is_waited_for(p_customer uuid, p_attempt uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = dues, pg_temp AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM incident i WHERE i.customer_id = p_customer AND i.attempt_id = p_attempt
                                AND i.kind IN ('LATE_OPPOSITE_EVIDENCE', 'STATUS_DIFFERS')) THEN false
                WHEN a.operation = 'REFUND' THEN r.state = 'PENDING'
                WHEN a.operation IN ('CHARGE', 'AUTHORIZE') THEN p.state IN ('PROCESSING', 'REQUIRES_ACTION')
                ELSE p.state = 'REQUIRES_CAPTURE' AND p.amount_capture_pending > 0
                     AND NOT EXISTS (SELECT FROM ledger_entry e WHERE e.customer_id = p_customer
                                        AND e.group_id = p_attempt AND e.kind = 'capture') END
      FROM attempt a
      JOIN payment p ON p.customer_id = p_customer AND p.payment_id = a.payment_id
      LEFT JOIN refund r ON r.customer_id = p_customer AND r.payment_id = a.payment_id AND r.refund_id = a.refund_id
     WHERE a.customer_id = p_customer AND a.attempt_id = p_attempt
$$;
GRANT EXECUTE ON FUNCTION attempt_is_waited_for(uuid, uuid) TO dues_service;

-- Who asks for the same as things stand: by the newest wish of each operator.
CREATE OR REPLACE FUNCTION incident_has_wish(p_incident incident, p_resolution text, p_account text, p_suspense bigint,
                                             p_approver text, p_is_theirs boolean) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM (SELECT DISTINCT ON (a.approver) a.approver, a.resolution, a.account, a.amount, a.currency
                                  FROM incident_approval a
                                 WHERE a.customer_id = p_incident.customer_id AND a.incident_id = p_incident.incident_id
                                   AND a.version = p_incident.version
                                 ORDER BY a.approver, a.wish DESC) AS w
                    WHERE w.resolution = p_resolution AND w.account = p_account AND w.amount = p_suspense
                      AND w.currency IS NOT DISTINCT FROM p_incident.currency AND (w.approver = p_approver) = p_is_theirs)
$$;

-- One operator asks.  Outcomes of request_record, and 'changed': the incident, or who has asked, is not as the caller has
-- seen it (`p_version`, `p_suspense`; `p_is_second`: somebody else had asked for the same); nothing was written.
DROP FUNCTION IF EXISTS incident_approve(uuid, request_key, uuid, bigint, text, text, text, text, boolean, bytea, timestamptz);
CREATE OR REPLACE FUNCTION incident_approve(p_customer uuid, p_key request_key, p_incident uuid, p_version bigint,
                                            p_approver text, p_resolution text, p_account text, p_reason text,
                                            p_is_second boolean, p_suspense bigint, p_answer bytea, p_now timestamptz,
                                            OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_incident incident%ROWTYPE;
    v_suspense bigint;
BEGIN
    SELECT * INTO STRICT v_incident FROM incident i
     WHERE i.customer_id = p_customer AND i.incident_id = p_incident FOR NO KEY UPDATE;
    v_suspense := incident_suspense(p_customer, p_incident, v_incident.attempt_id, v_incident.currency);
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_incident, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    IF v_incident.state <> 'OPEN' OR v_incident.version <> p_version OR v_suspense <> p_suspense
       OR incident_has_wish(v_incident, p_resolution, p_account, v_suspense, p_approver, true)
       OR p_is_second <> incident_has_wish(v_incident, p_resolution, p_account, v_suspense, p_approver, false) THEN
        PERFORM request_forget(p_customer, p_key);
        outcome := 'changed';
        RETURN;
    END IF;
    INSERT INTO incident_approval (customer_id, incident_id, wish, version, approver, resolution, account, reason, amount,
                                   currency, said_amount, create_time)
    VALUES (p_customer, p_incident,
            (SELECT count(*) + 1 FROM incident_approval a WHERE a.customer_id = p_customer AND a.incident_id = p_incident),
            p_version, p_approver, p_resolution, p_account, p_reason, v_suspense, v_incident.currency, v_incident.said_amount,
            p_now);
    IF p_is_second THEN
        UPDATE incident i
           SET state = 'APPROVED', version = i.version + 1, resolution = p_resolution, account = p_account, update_time = p_now
         WHERE i.customer_id = p_customer AND i.incident_id = p_incident;
        PERFORM obligation_add(p_customer, 'incident.resolve', p_incident::text, p_incident, p_now, false, p_now);
    END IF;
    PERFORM event_append(p_customer, 'incident.approved', p_incident,
                         jsonb_build_object('kind', v_incident.kind, 'about', v_incident.subject,
                                            'resolution', p_resolution, 'account', p_account, 'approver', p_approver), p_now);
END $$;
GRANT EXECUTE ON FUNCTION incident_approve(uuid, request_key, uuid, bigint, text, text, text, text, boolean, bigint, bytea,
                                           timestamptz) TO dues_service;

-- Two approved while another amount stood in suspense, or was what the gateway had said, than now.
CREATE OR REPLACE FUNCTION incident_differs_from_approved(p_incident incident) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM (SELECT a.amount, a.currency, a.said_amount FROM incident_approval a
                                 WHERE a.customer_id = p_incident.customer_id AND a.incident_id = p_incident.incident_id
                                   AND a.version = p_incident.version - 1
                                 ORDER BY a.wish DESC LIMIT 1) AS w
                    WHERE (w.amount, w.currency, w.said_amount) IS DISTINCT FROM
                          (incident_suspense(p_incident.customer_id, p_incident.incident_id, p_incident.attempt_id,
                                             p_incident.currency), p_incident.currency, p_incident.said_amount))
$$;

-- The approved incident takes its attempt out of people's hands for as long as the lease: MANUAL to RESOLVING, which only
-- this does.  The resolver owes its answer again.  NULL: it is not MANUAL, or another amount is known of than was approved.
CREATE OR REPLACE FUNCTION incident_take_attempt(p_customer uuid, p_incident uuid, p_epoch bigint, p_lease_ms bigint,
                                                 p_claim uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_lease timestamptz := v_now + p_lease_ms * interval '1 millisecond';
    v_attempt attempt%ROWTYPE;
BEGIN
    UPDATE attempt a
       SET state = 'RESOLVING', epoch = p_epoch + 1, claim_id = p_claim, lease_until = v_lease
      FROM incident i
     WHERE i.customer_id = p_customer AND i.incident_id = p_incident AND i.state = 'APPROVED'
       AND a.customer_id = p_customer AND a.attempt_id = i.attempt_id
       AND (a.state = 'MANUAL' AND a.epoch = p_epoch AND NOT incident_differs_from_approved(i)
            OR a.state = 'RESOLVING' AND a.epoch = p_epoch + 1 AND a.claim_id = p_claim)
    RETURNING a.* INTO v_attempt;
    IF FOUND THEN
        PERFORM obligation_add(p_customer, attempt_obligation(v_attempt.operation), v_attempt.attempt_id::text,
                               coalesce(v_attempt.refund_id, v_attempt.payment_id), v_lease, false, v_now);
    END IF;
    RETURN v_attempt.epoch;
END $$;
GRANT EXECUTE ON FUNCTION incident_take_attempt(uuid, uuid, bigint, bigint, uuid) TO dues_service;

-- What became of an attempt, as payment and ledger say.  What takes or gives money left its group.  An authorization held
-- unless it ended before it did; a payment that was let go of held before.  A void let go of something when less than was held
-- is taken at the end, and no last capture let go of that.
CREATE OR REPLACE FUNCTION attempt_came_true(p_customer uuid, p_attempt attempt) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT CASE p_attempt.operation
        WHEN 'AUTHORIZE' THEN p_attempt.decline_code <> 'canceled'
             AND EXISTS (SELECT FROM payment p WHERE p.customer_id = p_customer AND p.payment_id = p_attempt.payment_id
                            AND p.state IN ('REQUIRES_CAPTURE', 'SUCCEEDED', 'CANCELED'))
        WHEN 'VOID' THEN
             EXISTS (SELECT FROM payment p WHERE p.customer_id = p_customer AND p.payment_id = p_attempt.payment_id
                        AND (p.state = 'CANCELED' OR p.state = 'SUCCEEDED' AND p.amount_captured < p.amount))
             AND NOT EXISTS (SELECT FROM attempt c WHERE c.customer_id = p_customer AND c.payment_id = p_attempt.payment_id
                                AND c.operation = 'CAPTURE' AND c.is_final AND c.state = 'SUCCEEDED')
        ELSE EXISTS (SELECT FROM ledger_entry e WHERE e.customer_id = p_customer AND e.group_id = p_attempt.attempt_id
                        AND e.kind IN ('charge', 'capture', 'refund')) END
$$;

-- An attempt that nobody waits for any more leaves people's hands.
CREATE OR REPLACE FUNCTION incident_rest_attempt(p_customer uuid, p_attempt uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE attempt a SET state = CASE WHEN attempt_came_true(p_customer, a) THEN 'SUCCEEDED' ELSE 'FAILED' END
     WHERE a.customer_id = p_customer AND a.attempt_id = p_attempt AND a.state = 'MANUAL';
END $$;

-- Money in suspense goes where it belongs: one more group, of the incident.  One that was opened again has posted before,
-- so its kind has the number.
CREATE OR REPLACE FUNCTION incident_release(p_customer uuid, p_incident incident, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_amount bigint := incident_suspense(p_customer, p_incident.incident_id, p_incident.attempt_id, p_incident.currency);
    v_kind text := 'suspense_release';
BEGIN
    IF v_amount = 0 THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM ledger_entry e WHERE e.customer_id = p_customer AND e.group_id = p_incident.incident_id
                  AND e.kind = v_kind) THEN
        v_kind := v_kind || '_' || p_incident.version;
    END IF;
    PERFORM ledger_post(p_customer, p_incident.incident_id, v_kind,
        ARRAY[ROW('suspense', p_incident.currency, -v_amount)::ledger_line,
              ROW(CASE p_incident.account WHEN 'gateway_clearing' THEN 'gateway_clearing:' || p_incident.gateway
                                          ELSE p_incident.account END, p_incident.currency, v_amount)::ledger_line], p_now);
END $$;

-- A refund that somebody made at the gateway's desk becomes one of its payment, so that what is left to refund is less by it.
-- '' or why it cannot be.
CREATE OR REPLACE FUNCTION incident_book_refund(p_customer uuid, p_incident incident, p_refund uuid, p_now timestamptz)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_amount bigint := incident_suspense(p_customer, p_incident.incident_id, p_incident.attempt_id, p_incident.currency);
BEGIN
    IF p_incident.kind <> 'REFUNDED_AT_GATEWAY_ONLY' OR p_incident.payment_id IS NULL
       OR p_incident.account NOT IN ('refunds', 'customer_receivable') OR v_amount <= 0 THEN
        RETURN '';
    END IF;
    UPDATE payment p
       SET amount_refunded = p.amount_refunded + v_amount, refund_count = p.refund_count + 1, update_time = p_now
     WHERE p.customer_id = p_customer AND p.payment_id = p_incident.payment_id AND p.state = 'SUCCEEDED'
       AND p.currency = p_incident.currency
       AND p.amount_captured - p.amount_refunded - p.amount_refund_pending >= v_amount;
    IF NOT FOUND THEN
        RETURN 'the payment has less left to refund than was given back: its refunds under way must end first';
    END IF;
    INSERT INTO refund (customer_id, payment_id, refund_id, currency, amount, reason, state, origin, incident_id, create_time,
                        update_time)
    VALUES (p_customer, p_incident.payment_id, p_refund, p_incident.currency, v_amount, '', 'SUCCEEDED', 'GATEWAY',
            p_incident.incident_id, p_now, p_now);
    PERFORM event_append(p_customer, 'refund.succeeded', p_refund,
        jsonb_build_object('payment', p_incident.payment_id, 'amount', v_amount, 'currency', p_incident.currency,
                           'failure_code', ''), p_now);
    RETURN '';
END $$;

-- The end of it: what was approved is done.  Not `p_is_done`: it could not be, people have it again.  False: it was not
-- approved, or the obligation is somebody else's.
DROP FUNCTION IF EXISTS incident_finish(uuid, uuid, bigint, boolean, text, timestamptz);
CREATE OR REPLACE FUNCTION incident_finish(p_customer uuid, p_incident uuid, p_epoch bigint, p_is_done boolean, p_outcome text,
                                           p_refund uuid, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_incident incident%ROWTYPE;
    v_problem text := '';
BEGIN
    DELETE FROM obligation o WHERE o.customer_id = p_customer AND o.kind = 'incident.resolve'
       AND o.business_key = p_incident::text AND o.epoch = p_epoch;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- Attempt, incident, customer: in the order of the steps that record answers.
    PERFORM FROM attempt a
     WHERE a.customer_id = p_customer
       AND a.attempt_id = (SELECT i.attempt_id FROM incident i WHERE i.customer_id = p_customer AND i.incident_id = p_incident)
       FOR NO KEY UPDATE;
    SELECT * INTO v_incident FROM incident i
     WHERE i.customer_id = p_customer AND i.incident_id = p_incident AND i.state = 'APPROVED' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- What a result was recorded of has left suspense with it; that it was the amount approved was looked at before.
    IF p_is_done AND v_incident.resolution NOT IN ('MARK_SUCCEEDED', 'MARK_FAILED')
       AND incident_differs_from_approved(v_incident) THEN
        p_is_done := false;
        p_outcome := 'another amount stands in suspense than was approved';
    END IF;
    IF p_is_done AND v_incident.resolution = 'POST_FROM_SUSPENSE' THEN
        v_problem := incident_book_refund(p_customer, v_incident, p_refund, p_now);
    END IF;
    IF v_problem <> '' THEN
        p_is_done := false;
        p_outcome := v_problem;
    END IF;
    UPDATE incident i
       SET state = CASE WHEN p_is_done THEN 'RESOLVED' ELSE 'OPEN' END, version = i.version + 1, outcome = p_outcome,
           resolution = CASE WHEN p_is_done THEN i.resolution ELSE '' END,
           account = CASE WHEN p_is_done THEN i.account ELSE '' END, update_time = p_now
     WHERE i.customer_id = p_customer AND i.incident_id = p_incident;
    IF p_is_done AND v_incident.resolution = 'POST_FROM_SUSPENSE' THEN
        PERFORM incident_release(p_customer, v_incident, p_now);
    END IF;
    IF p_is_done AND v_incident.attempt_id IS NOT NULL THEN
        PERFORM incident_rest_attempt(p_customer, v_incident.attempt_id);
    END IF;
    IF p_is_done THEN
        PERFORM event_append(p_customer, 'incident.resolved', p_incident,
                             jsonb_build_object('kind', v_incident.kind, 'about', v_incident.subject,
                                                'resolution', v_incident.resolution, 'outcome', p_outcome), p_now);
    ELSE
        PERFORM event_append(p_customer, 'incident.returned', p_incident,
                             jsonb_build_object('kind', v_incident.kind, 'about', v_incident.subject,
                                                'resolution', v_incident.resolution, 'outcome', p_outcome), p_now);
    END IF;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION incident_finish(uuid, uuid, bigint, boolean, text, uuid, timestamptz) TO dues_service;
