-- Attempts: what was asked of a gateway.  The legal moves, taking over, giving up.

-- From which states an attempt may come to `p_to`.  The same table as attempt_may_move in payment_rules.c;
-- a test compares them.
CREATE OR REPLACE FUNCTION attempt_sources(p_to text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE p_to
        WHEN 'UNKNOWN' THEN ARRAY['SENDING', 'RESOLVING']
        WHEN 'RESOLVING' THEN ARRAY['SENDING', 'UNKNOWN', 'RESOLVING', 'REQUIRES_ACTION']
        WHEN 'SUCCEEDED' THEN ARRAY['SENDING', 'UNKNOWN', 'RESOLVING']
        WHEN 'DECLINED' THEN ARRAY['SENDING', 'UNKNOWN', 'RESOLVING']
        WHEN 'FAILED' THEN ARRAY['SENDING', 'UNKNOWN', 'RESOLVING']
        WHEN 'REQUIRES_ACTION' THEN ARRAY['SENDING', 'UNKNOWN', 'RESOLVING']
        WHEN 'MANUAL' THEN ARRAY['SENDING', 'UNKNOWN', 'RESOLVING', 'SUCCEEDED', 'DECLINED', 'FAILED', 'REQUIRES_ACTION']
        ELSE ARRAY[]::text[]
    END
$$;
GRANT EXECUTE ON FUNCTION attempt_sources(text) TO dues_service;

-- When to look again after the n-th answer that was not definitive.
CREATE OR REPLACE FUNCTION attempt_backoff(p_check_count integer) RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ARRAY['5 s', '15 s', '60 s', '5 min', '30 min', '2 h', '24 h']::interval[])[least(greatest(p_check_count, 1), 7)]
$$;

CREATE OR REPLACE FUNCTION attempt_obligation(p_operation text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE p_operation WHEN 'REFUND' THEN 'refund.resolve' ELSE 'payment.resolve' END
$$;

-- Step T2 again: the resolver takes the attempt over, or whoever asks what the customer did about its action: from here on
-- the resolver owes an answer again.  NULL: somebody else holds it, or it is done.  The same claim again, after a lost
-- COMMIT, answers as the first time.
CREATE OR REPLACE FUNCTION attempt_claim(p_customer uuid, p_attempt uuid, p_epoch bigint, p_lease_ms bigint, p_claim uuid)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_lease timestamptz := v_now + p_lease_ms * interval '1 millisecond';
    v_attempt attempt%ROWTYPE;
BEGIN
    UPDATE attempt
       SET state = 'RESOLVING', epoch = p_epoch + 1, claim_id = p_claim,
           send_count = send_count + CASE epoch WHEN p_epoch THEN 1 ELSE 0 END,
           lease_until = v_lease
     WHERE customer_id = p_customer AND attempt_id = p_attempt AND state = ANY (attempt_sources('RESOLVING'))
       AND (epoch = p_epoch AND (lease_until IS NULL OR lease_until < v_now)
            OR epoch = p_epoch + 1 AND claim_id = p_claim)
    RETURNING * INTO v_attempt;
    IF FOUND THEN
        PERFORM obligation_add(p_customer, attempt_obligation(v_attempt.operation), p_attempt::text,
                               coalesce(v_attempt.refund_id, v_attempt.payment_id), v_lease, false, v_now);
    END IF;
    RETURN v_attempt.epoch;
END $$;
GRANT EXECUTE ON FUNCTION attempt_claim(uuid, uuid, bigint, bigint, uuid) TO dues_service;

-- Step T4: the answer was not definitive; the resolver looks again, later and later.
CREATE OR REPLACE FUNCTION attempt_wait(p_customer uuid, p_attempt attempt) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_due timestamptz := clock_timestamp() + attempt_backoff(p_attempt.check_count);
BEGIN
    UPDATE obligation SET due_time = v_due, lease_until = NULL
     WHERE customer_id = p_customer AND kind = attempt_obligation(p_attempt.operation)
       AND business_key = p_attempt.attempt_id::text;
END $$;

-- Nothing is owed for the attempt any more, whoever holds the lease of the obligation.
-- False: nothing was owed.
DROP FUNCTION IF EXISTS attempt_done(uuid, attempt);
CREATE OR REPLACE FUNCTION attempt_done(p_customer uuid, p_attempt attempt) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM obligation
     WHERE customer_id = p_customer AND kind = attempt_obligation(p_attempt.operation)
       AND business_key = p_attempt.attempt_id::text;
    RETURN FOUND;
END $$;

-- Hands the attempt to people: an incident, MANUAL, and no more machine.  Also from a terminal state: late
-- opposite evidence never flips a result.  False: people have such an incident already, with what it told.
DROP FUNCTION IF EXISTS attempt_to_people(uuid, attempt, text, text, timestamptz);
CREATE FUNCTION attempt_to_people(p_customer uuid, p_attempt attempt, p_kind text, p_detail text, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_is_new boolean;
BEGIN
    v_is_new := incident_add(p_customer, NULL,
                             ROW(p_kind, p_attempt.attempt_id::text, p_detail, p_attempt.attempt_id, p_attempt.payment_id,
                                 p_attempt.gateway, p_attempt.gateway_transaction, p_attempt.currency,
                                 p_attempt.amount)::incident_new, true, p_now);
    UPDATE attempt SET state = 'MANUAL', lease_until = NULL
     WHERE customer_id = p_customer AND attempt_id = p_attempt.attempt_id AND state = ANY (attempt_sources('MANUAL'));
    PERFORM attempt_done(p_customer, p_attempt);
    RETURN v_is_new;
END $$;

-- What was asked, and by which name people find what it was for.
CREATE OR REPLACE FUNCTION attempt_in_words(p_attempt attempt) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_attempt.operation WHEN 'REFUND' THEN 'refund ' WHEN 'AUTHORIZE' THEN 'authorization of '
                                    ELSE lower(p_attempt.operation) || ' of ' END
           || format('customers/%s/payments/%s', p_attempt.customer_id, p_attempt.payment_id)
           || coalesce('/refunds/' || p_attempt.refund_id, '')
$$;

-- Step T6: the budget for finding out is spent.
CREATE OR REPLACE FUNCTION attempt_give_up(p_customer uuid, p_attempt uuid, p_epoch bigint, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_attempt attempt%ROWTYPE;
BEGIN
    SELECT * INTO v_attempt FROM attempt
     WHERE customer_id = p_customer AND attempt_id = p_attempt AND epoch = p_epoch
       AND state IN ('SENDING', 'UNKNOWN', 'RESOLVING') AND (lease_until IS NULL OR lease_until < clock_timestamp())
       FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM attempt_to_people(p_customer, v_attempt, 'UNKNOWN_TOO_LONG',
                              format('%s: %s sends, %s checks, last: %s', attempt_in_words(v_attempt),
                                     v_attempt.send_count, v_attempt.check_count, v_attempt.evidence), p_now);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION attempt_give_up(uuid, uuid, bigint, timestamptz) TO dues_service;

-- Money that moved without a reason we know; what was only held or let go of has not moved.  Of one attempt and one
-- transaction so much stands in suspense as the gateway said last: what differs is one more group.  True: it differed.
DROP FUNCTION IF EXISTS attempt_suspend_money(uuid, attempt, bigint, timestamptz);
CREATE FUNCTION attempt_suspend_money(p_customer uuid, p_attempt attempt, p_amount bigint, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_signed bigint := CASE p_attempt.operation WHEN 'REFUND' THEN -p_amount ELSE p_amount END;
    v_stands bigint;
    v_groups bigint;
BEGIN
    SELECT coalesce(-sum(e.amount), 0), count(DISTINCT e.kind) INTO v_stands, v_groups FROM ledger_entry e
     WHERE e.customer_id = p_customer AND e.group_id = p_attempt.attempt_id AND e.account = 'suspense';
    IF v_signed = v_stands OR p_attempt.operation IN ('AUTHORIZE', 'VOID') THEN
        RETURN false;
    END IF;
    PERFORM ledger_post(p_customer, p_attempt.attempt_id,
                        CASE v_groups WHEN 0 THEN 'suspense' ELSE 'suspense_correction_' || v_groups END,
                        ARRAY[ROW('gateway_clearing:' || p_attempt.gateway, p_attempt.currency, v_signed - v_stands)::ledger_line,
                              ROW('suspense', p_attempt.currency, v_stands - v_signed)::ledger_line], p_now);
    RETURN true;
END $$;

-- What the gateway says of an attempt over another amount: people are told, and what two have approved of before is not that.
-- Of what has no money in suspense nothing else tells which amount they have seen.
CREATE OR REPLACE FUNCTION attempt_note_said(p_customer uuid, p_attempt uuid, p_said bigint, p_detail text, p_is_told boolean,
                                             p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE incident i
       SET said_amount = p_said, update_time = p_now,
           detail = CASE WHEN p_is_told THEN i.detail ELSE left(i.detail || '; then: ' || p_detail, 1000) END,
           version = i.version + CASE WHEN i.state = 'OPEN' AND NOT p_is_told THEN 1 ELSE 0 END
     WHERE i.customer_id = p_customer AND i.kind = 'AMOUNT_MISMATCH' AND i.subject = p_attempt::text AND i.state <> 'RESOLVED'
       AND i.said_amount IS DISTINCT FROM p_said;
END $$;

-- What people have already, and what the gateway says of it now: no second incident, but they are told, and what stands in
-- suspense is what moved.  False: it is about something else.
CREATE OR REPLACE FUNCTION attempt_tell_people(p_customer uuid, p_attempt attempt, p_settlement settlement, p_to text,
                                               p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_said bigint := CASE WHEN p_to IN ('SUCCEEDED', 'MANUAL') THEN p_settlement.amount END;
    v_done boolean;
BEGIN
    IF p_attempt.state <> 'MANUAL' OR p_attempt.gateway_transaction <> p_settlement.gateway_transaction THEN
        RETURN false;
    END IF;
    PERFORM FROM incident i
     WHERE i.customer_id = p_customer AND i.kind = 'AMOUNT_MISMATCH' AND i.subject = p_attempt.attempt_id::text
       AND i.state <> 'RESOLVED' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    v_done := attempt_suspend_money(p_customer, p_attempt, coalesce(v_said, 0), p_now);
    PERFORM attempt_note_said(p_customer, p_attempt.attempt_id, v_said,
                              p_to || ' ' || p_settlement.amount || ', ' || p_settlement.evidence, false, p_now);
    RETURN true;
END $$;

-- Records an answer on the attempt under the guard of state and epoch.  Answers what follows:
--   'settled'   definitive, recorded by this call: the caller writes its consequences
--   'again'     the same had been recorded before, or the answer says less than is known: nothing to do
--   'unknown'   not definitive: the resolver will look again
--   'stale'     somebody else has taken it over: nothing was written
--   'manual'    handed to people
-- `p_operations`: what it may have been for.
DROP FUNCTION IF EXISTS attempt_settle(uuid, text, settlement, timestamptz);
CREATE OR REPLACE FUNCTION attempt_settle(p_customer uuid, p_operations text[], p_settlement settlement, p_now timestamptz,
                                          OUT outcome text, OUT settled attempt)
LANGUAGE plpgsql AS $$
DECLARE
    v_done boolean;
    v_is_told boolean;
    v_to text := CASE WHEN p_settlement.outcome IN ('SUCCEEDED', 'DECLINED', 'FAILED')
                        OR p_settlement.outcome = 'REQUIRES_ACTION' AND 'CHARGE' = ANY (p_operations)
                      THEN p_settlement.outcome
                      -- A transaction that does not match what was asked is not ours to interpret.
                      WHEN p_settlement.outcome = 'UNKNOWN' AND p_settlement.gateway_transaction <> '' THEN 'MANUAL'
                      ELSE 'UNKNOWN' END;
BEGIN
    UPDATE attempt a
       SET state = v_to, lease_until = NULL, evidence = p_settlement.evidence,
           gateway_transaction = CASE WHEN v_to = 'UNKNOWN' THEN a.gateway_transaction ELSE p_settlement.gateway_transaction END,
           decline_code = p_settlement.decline_code,
           network_decline_code = coalesce(p_settlement.network_decline_code, ''), advice = coalesce(p_settlement.advice, ''),
           check_count = a.check_count + CASE WHEN v_to = 'UNKNOWN' THEN 1 ELSE 0 END
     WHERE a.customer_id = p_customer AND a.attempt_id = p_settlement.attempt_id AND a.epoch = p_settlement.epoch
       AND a.operation = ANY (p_operations) AND a.payment_id = p_settlement.payment_id
       AND a.state = ANY (attempt_sources(v_to)) AND a.state IN ('SENDING', 'UNKNOWN', 'RESOLVING')
    RETURNING a.* INTO settled;
    IF NOT FOUND THEN
        settled := attempt_settled_before(p_customer, p_operations, p_settlement, v_to, p_now);
        outcome := CASE WHEN settled.state = 'MANUAL' THEN 'manual'
                        WHEN settled.state NOT IN ('SENDING', 'UNKNOWN', 'RESOLVING') THEN 'again'
                        WHEN settled.state = 'UNKNOWN' AND v_to = 'UNKNOWN' AND settled.epoch = p_settlement.epoch THEN 'unknown'
                        ELSE 'stale' END;
    ELSIF v_to = 'UNKNOWN' THEN
        PERFORM attempt_wait(p_customer, settled);
        outcome := 'unknown';
    ELSIF v_to = 'MANUAL' THEN
        v_is_told := attempt_to_people(p_customer, settled, 'AMOUNT_MISMATCH', p_settlement.evidence, p_now);
        PERFORM attempt_note_said(p_customer, settled.attempt_id, p_settlement.amount, p_settlement.evidence, v_is_told, p_now);
        v_done := attempt_suspend_money(p_customer, settled, p_settlement.amount, p_now);
        outcome := 'manual';
    ELSIF v_to = 'SUCCEEDED' AND NOT attempt_own_transaction(p_customer, settled, p_settlement.amount, p_now) THEN
        PERFORM attempt_to_people(p_customer, settled, 'DUPLICATE_TRANSACTION',
                                  'transaction ' || settled.gateway_transaction || ' belongs to another attempt', p_now);
        outcome := 'manual';
    ELSE
        -- What moved: another amount than was asked for only when two operators have confirmed it.  Nothing before: what goes
        -- to people keeps what is reserved for it.
        IF v_to = 'SUCCEEDED' AND settled.operation <> 'VOID' AND settled.amount <> p_settlement.amount THEN
            UPDATE attempt a SET amount = p_settlement.amount
             WHERE a.customer_id = p_customer AND a.attempt_id = p_settlement.attempt_id
            RETURNING a.* INTO settled;
        END IF;
        v_done := attempt_done(p_customer, settled);
        outcome := 'settled';
    END IF;
END $$;

-- False: the gateway's transaction is already that of another attempt.  A capture and a void may have no transaction but
-- that which they act on.  `p_moved`: over how much it is.
DROP FUNCTION IF EXISTS attempt_own_transaction(uuid, attempt, timestamptz);
CREATE OR REPLACE FUNCTION attempt_own_transaction(p_customer uuid, p_attempt attempt, p_moved bigint, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF p_attempt.operation IN ('CAPTURE', 'VOID') AND p_attempt.gateway_transaction = p_attempt.charge_transaction THEN
        RETURN true;
    END IF;
    INSERT INTO gateway_transaction (customer_id, gateway, gateway_transaction, attempt_id, currency, amount, create_time)
    VALUES (p_customer, p_attempt.gateway, p_attempt.gateway_transaction, p_attempt.attempt_id, p_attempt.currency,
            CASE p_attempt.operation WHEN 'VOID' THEN p_attempt.amount ELSE p_moved END, p_now)
    ON CONFLICT ON CONSTRAINT gateway_transaction_pkey DO NOTHING;
    RETURN FOUND;
END $$;

-- An answer for an attempt that is not waiting for it: compare, never overwrite.
DROP FUNCTION IF EXISTS attempt_settled_before(uuid, text, settlement, text, timestamptz);
CREATE OR REPLACE FUNCTION attempt_settled_before(p_customer uuid, p_operations text[], p_settlement settlement, p_to text,
                                                  p_now timestamptz) RETURNS attempt
LANGUAGE plpgsql AS $$
DECLARE
    v_attempt attempt%ROWTYPE;
    v_evidence attempt%ROWTYPE;
BEGIN
    SELECT * INTO STRICT v_attempt FROM attempt a
     WHERE a.customer_id = p_customer AND a.attempt_id = p_settlement.attempt_id AND a.operation = ANY (p_operations)
       AND a.payment_id = p_settlement.payment_id
       FOR NO KEY UPDATE;
    -- What became of an action is for whoever asks about it under a new epoch, and an answer from before says less.
    IF v_attempt.state IN ('SENDING', 'UNKNOWN', 'RESOLVING', 'REQUIRES_ACTION') OR p_to IN ('UNKNOWN', 'REQUIRES_ACTION')
       OR attempt_tell_people(p_customer, v_attempt, p_settlement, p_to, p_now)
       OR v_attempt.state = p_to AND v_attempt.gateway_transaction = p_settlement.gateway_transaction THEN
        RETURN v_attempt;
    END IF;
    -- The incident is about the transaction that came late; the attempt keeps its own.
    v_evidence := v_attempt;
    IF p_settlement.gateway_transaction <> '' THEN
        v_evidence.gateway_transaction := p_settlement.gateway_transaction;
    END IF;
    PERFORM attempt_to_people(p_customer, v_evidence,
                              CASE v_attempt.state WHEN 'MANUAL' THEN 'EVIDENCE_AFTER_MANUAL' ELSE 'LATE_OPPOSITE_EVIDENCE' END,
                              format('recorded %s %s, then came %s %s: %s', v_attempt.state, v_attempt.gateway_transaction,
                                     p_to, p_settlement.gateway_transaction, p_settlement.evidence), p_now);
    IF p_to IN ('SUCCEEDED', 'MANUAL') AND v_attempt.gateway_transaction <> p_settlement.gateway_transaction
       AND NOT EXISTS (SELECT FROM ledger_entry e WHERE e.customer_id = p_customer AND e.group_id = v_attempt.attempt_id
                          AND e.kind = 'suspense') THEN
        PERFORM attempt_suspend_money(p_customer, v_attempt, p_settlement.amount, p_now);
    END IF;
    v_attempt.state := 'MANUAL';
    RETURN v_attempt;
END $$;
