-- Refunds: money of a payment that goes back.  Same protocol as a charge, other operation.

CREATE OR REPLACE FUNCTION refund_as_result(p_outcome text, p_refund refund) RETURNS refund_result
LANGUAGE plpgsql IMMUTABLE SET search_path = dues, pg_temp AS $$
BEGIN
    RETURN ROW(p_outcome, p_refund.refund_id, p_refund.payment_id, p_refund.currency::text, p_refund.amount,
               p_refund.reason, p_refund.state, p_refund.failure_code, p_refund.create_time, p_refund.update_time,
               p_refund.origin)::refund_result;
END $$;

-- The first step: reserves the amount on the payment and arms the attempt.  Outcomes of request_record, and
-- 'exceeds': captured - refunded - pending - disputed is less than asked; nothing was written.
CREATE OR REPLACE FUNCTION refund_open(p_customer uuid, p_key request_key, p_refund refund_intent, p_now timestamptz,
                                       OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_payment payment%ROWTYPE;
    v_charge attempt%ROWTYPE;
    v_now timestamptz := clock_timestamp();
    v_lease timestamptz := v_now + p_refund.lease_ms * interval '1 millisecond';
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_refund.refund_id, NULL, p_now) r;
    IF outcome = 'running' AND object_id = p_refund.refund_id THEN
        outcome := 'new';   -- this very step, again after a lost COMMIT
        RETURN;
    ELSIF outcome <> 'new' THEN
        RETURN;
    END IF;
    UPDATE payment p
       SET amount_refund_pending = p.amount_refund_pending + p_refund.amount, refund_count = p.refund_count + 1
     WHERE p.customer_id = p_customer AND p.payment_id = p_refund.payment_id AND p.state = 'SUCCEEDED'
       AND p_refund.amount > 0
       AND p.amount_captured - p.amount_refunded - p.amount_refund_pending - p.amount_disputed >= p_refund.amount
    RETURNING p.* INTO v_payment;
    IF NOT FOUND THEN
        PERFORM request_forget(p_customer, p_key);
        outcome := 'exceeds';
        RETURN;
    END IF;
    SELECT * INTO STRICT v_charge FROM attempt a
     WHERE a.customer_id = p_customer AND a.payment_id = p_refund.payment_id AND a.operation IN ('CHARGE', 'AUTHORIZE')
       AND a.gateway_transaction <> '' ORDER BY a.sequence DESC LIMIT 1;
    INSERT INTO refund (customer_id, payment_id, refund_id, currency, amount, reason, state, create_time, update_time)
    VALUES (p_customer, p_refund.payment_id, p_refund.refund_id, v_payment.currency, p_refund.amount, p_refund.reason,
            'PENDING', p_now, p_now);
    INSERT INTO attempt (customer_id, attempt_id, payment_id, refund_id, operation, sequence, gateway, gateway_key,
                         currency, amount, off_session, charge_transaction, state, epoch, lease_until, first_sent_time,
                         send_count, create_time)
    VALUES (p_customer, p_refund.attempt_id, p_refund.payment_id, p_refund.refund_id, 'REFUND', v_payment.refund_count,
            v_charge.gateway, p_refund.gateway_key, v_payment.currency, p_refund.amount, true,
            v_charge.gateway_transaction, 'SENDING', 1, v_lease, v_now, 1, p_now);
    PERFORM obligation_add(p_customer, 'refund.resolve', p_refund.attempt_id::text, p_refund.refund_id, v_lease, false, p_now);
END $$;
GRANT EXECUTE ON FUNCTION refund_open(uuid, request_key, refund_intent, timestamptz) TO dues_service;

-- Whose money goes back, in our books: revenue is less, unless the payment's invoice did not take it or another payment has
-- paid that: then it is the credit that it left the customer.
CREATE OR REPLACE FUNCTION refund_account(p_customer uuid, p_payment uuid) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN i.invoice_id IS NULL THEN 'refunds'
                WHEN i.state <> 'PAID' OR o.payment_id IS NOT NULL THEN 'customer_receivable' ELSE 'refunds' END
      FROM payment p
      LEFT JOIN invoice i ON i.customer_id = p_customer AND i.invoice_id = p.invoice_id
      LEFT JOIN payment o ON o.customer_id = p_customer AND o.payment_id = i.payment_id AND o.payment_id <> p_payment
                         AND o.state = 'SUCCEEDED'
     WHERE p.customer_id = p_customer AND p.payment_id = p_payment
$$;

-- What the payment's refunds gave back, all of them; but no more than was captured and is not reserved.  Locked first: whoever
-- waited for the payment must see the refund that it waited for.
CREATE OR REPLACE FUNCTION refund_add_up(p_customer uuid, p_payment uuid, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM payment p WHERE p.customer_id = p_customer AND p.payment_id = p_payment FOR NO KEY UPDATE;
    UPDATE payment p
       SET update_time = p_now,
           amount_refunded = least((SELECT coalesce(sum(r.amount), 0)::bigint FROM refund r
                                     WHERE r.customer_id = p_customer AND r.payment_id = p_payment AND r.state = 'SUCCEEDED'),
                                   p.amount_captured - p.amount_refund_pending)
     WHERE p.customer_id = p_customer AND p.payment_id = p_payment;
END $$;

-- The last step: the reserved amount becomes refunded, or is free again.  `outcome` as attempt_settle.  `p_watch_time`: when
-- to look whether it has failed after all; NULL: it cannot.
DROP FUNCTION IF EXISTS refund_settle(uuid, settlement, text, bytea, timestamptz);
CREATE OR REPLACE FUNCTION refund_settle(p_customer uuid, p_settlement settlement, p_method text, p_answer bytea,
                                         p_watch_time timestamptz, p_now timestamptz) RETURNS refund_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_step record;
    v_attempt attempt%ROWTYPE;
    v_refund refund%ROWTYPE;
    v_reserved bigint;
    v_state text := CASE p_settlement.outcome WHEN 'SUCCEEDED' THEN 'SUCCEEDED' ELSE 'FAILED' END;
BEGIN
    SELECT * INTO v_step FROM attempt_settle(p_customer, ARRAY['REFUND'], p_settlement, p_now);
    v_attempt := v_step.settled;
    IF v_step.outcome <> 'settled' THEN
        SELECT * INTO STRICT v_refund FROM refund
         WHERE customer_id = p_customer AND payment_id = v_attempt.payment_id AND refund_id = v_attempt.refund_id;
        RETURN refund_as_result(v_step.outcome, v_refund);
    END IF;
    UPDATE refund r
       SET state = v_state, update_time = p_now,
           failure_code = CASE WHEN v_state = 'SUCCEEDED' THEN '' WHEN p_settlement.decline_code = '' THEN 'unknown'
                               ELSE p_settlement.decline_code END
     WHERE r.customer_id = p_customer AND r.payment_id = v_attempt.payment_id AND r.refund_id = v_attempt.refund_id
       AND r.state = 'PENDING'
    RETURNING r.* INTO STRICT v_refund;
    v_reserved := v_refund.amount;
    IF v_attempt.amount <> v_reserved THEN
        UPDATE refund r SET amount = v_attempt.amount
         WHERE r.customer_id = p_customer AND r.payment_id = v_attempt.payment_id AND r.refund_id = v_attempt.refund_id
        RETURNING r.* INTO STRICT v_refund;
    END IF;
    -- More than was taken cannot be refunded; what a gateway gave back beyond that is seen in the ledger.
    UPDATE payment p
       SET amount_refund_pending = p.amount_refund_pending - v_reserved, update_time = p_now,
           amount_refunded = least(p.amount_refunded + CASE v_state WHEN 'SUCCEEDED' THEN v_refund.amount ELSE 0 END,
                                   p.amount_captured - (p.amount_refund_pending - v_reserved))
     WHERE p.customer_id = p_customer AND p.payment_id = v_refund.payment_id;
    -- Room that another refund had left uncounted.
    IF v_state = 'FAILED' OR v_refund.amount <> v_reserved THEN
        PERFORM refund_add_up(p_customer, v_refund.payment_id, p_now);
    END IF;
    IF v_state = 'SUCCEEDED' THEN
        PERFORM ledger_post(p_customer, v_attempt.attempt_id, 'refund',
            ARRAY[ROW(refund_account(p_customer, v_attempt.payment_id), v_attempt.currency, v_attempt.amount)::ledger_line,
                  ROW('gateway_clearing:' || v_attempt.gateway, v_attempt.currency, -v_attempt.amount)::ledger_line], p_now);
    END IF;
    IF v_attempt.epoch > 1 THEN
        PERFORM attempt_suspend_money(p_customer, v_attempt, 0, p_now);
    END IF;
    PERFORM event_append(p_customer, 'refund.' || lower(v_state), v_refund.refund_id,
        jsonb_build_object('payment', v_refund.payment_id, 'amount', v_refund.amount, 'currency', v_refund.currency,
                           'failure_code', v_refund.failure_code), p_now);
    PERFORM request_answer(p_customer, v_refund.refund_id, p_method, p_answer);
    IF v_state = 'SUCCEEDED' AND p_watch_time IS NOT NULL THEN
        PERFORM obligation_add(p_customer, 'refund.watch', v_attempt.attempt_id::text, v_refund.refund_id, p_watch_time, true,
                               p_now);
    END IF;
    RETURN refund_as_result('settled', v_refund);
END $$;
GRANT EXECUTE ON FUNCTION refund_settle(uuid, settlement, text, bytea, timestamptz, timestamptz) TO dues_service;

-- A refund that had succeeded has failed after all: the money is with us again and can be refunded again.  What was posted
-- stays; the reversal is a group of its own.  The attempt keeps its result, which was true.  False: it was known.
CREATE OR REPLACE FUNCTION refund_reverse(p_customer uuid, p_attempt uuid, p_failure_code text, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_attempt attempt%ROWTYPE;
    v_refund refund%ROWTYPE;
BEGIN
    SELECT * INTO STRICT v_attempt FROM attempt
     WHERE customer_id = p_customer AND attempt_id = p_attempt AND operation = 'REFUND' FOR NO KEY UPDATE;
    UPDATE refund r
       SET state = 'FAILED', update_time = p_now,
           failure_code = CASE WHEN p_failure_code = '' THEN 'unknown' ELSE p_failure_code END
     WHERE r.customer_id = p_customer AND r.payment_id = v_attempt.payment_id AND r.refund_id = v_attempt.refund_id
       AND r.state = 'SUCCEEDED'
    RETURNING r.* INTO v_refund;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM refund_add_up(p_customer, v_refund.payment_id, p_now);
    PERFORM ledger_post(p_customer, v_attempt.attempt_id, 'refund_reversal',
        ARRAY[ROW('gateway_clearing:' || v_attempt.gateway, v_attempt.currency, v_attempt.amount)::ledger_line,
              ROW((SELECT e.account FROM ledger_entry e WHERE e.customer_id = p_customer AND e.group_id = p_attempt
                      AND e.kind = 'refund' AND e.amount > 0), v_attempt.currency, -v_attempt.amount)::ledger_line], p_now);
    PERFORM event_append(p_customer, 'refund.failed', v_refund.refund_id,
        jsonb_build_object('payment', v_refund.payment_id, 'amount', v_refund.amount, 'currency', v_refund.currency,
                           'failure_code', v_refund.failure_code), p_now);
    DELETE FROM obligation WHERE customer_id = p_customer AND kind = 'refund.watch' AND business_key = p_attempt::text;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION refund_reverse(uuid, uuid, text, timestamptz) TO dues_service;

-- One that the gateway's desk had made, and an incident had recorded as a refund: the same, by groups of the incident.  False:
-- no such refund counts.
CREATE OR REPLACE FUNCTION refund_of_desk_reverse(p_customer uuid, p_incident incident, p_failure_code text, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_refund refund%ROWTYPE;
BEGIN
    UPDATE refund r
       SET state = 'FAILED', update_time = p_now,
           failure_code = CASE WHEN p_failure_code = '' THEN 'unknown' ELSE p_failure_code END
     WHERE r.customer_id = p_customer AND r.payment_id = p_incident.payment_id AND r.incident_id = p_incident.incident_id
       AND r.state = 'SUCCEEDED'
    RETURNING r.* INTO v_refund;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM refund_add_up(p_customer, v_refund.payment_id, p_now);
    PERFORM ledger_post(p_customer, p_incident.incident_id, 'refund_reversal',
        ARRAY[ROW('gateway_clearing:' || p_incident.gateway, v_refund.currency, v_refund.amount)::ledger_line,
              ROW((SELECT e.account FROM ledger_entry e
                    WHERE e.customer_id = p_customer AND e.group_id = p_incident.incident_id AND e.amount > 0
                      AND e.kind LIKE 'suspense\_release%' ORDER BY e.position DESC LIMIT 1),
                  v_refund.currency, -v_refund.amount)::ledger_line], p_now);
    PERFORM event_append(p_customer, 'refund.failed', v_refund.refund_id,
        jsonb_build_object('payment', v_refund.payment_id, 'amount', v_refund.amount, 'currency', v_refund.currency,
                           'failure_code', v_refund.failure_code), p_now);
    RETURN true;
END $$;

-- What an incident has put into suspense of such a refund is not gone: out again by one more group.  People who have it are
-- told, and approvals of before do not count; those who had said where it belongs have it again.
CREATE OR REPLACE FUNCTION refund_of_desk_suspend(p_customer uuid, p_incident incident, p_amount bigint, p_detail text,
                                                  p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ledger_post(p_customer, p_incident.incident_id,
        'suspense_correction_' || (SELECT count(DISTINCT e.kind) FROM ledger_entry e
                                    WHERE e.customer_id = p_customer AND e.group_id = p_incident.incident_id),
        ARRAY[ROW('gateway_clearing:' || p_incident.gateway, p_incident.currency, p_amount)::ledger_line,
              ROW('suspense', p_incident.currency, -p_amount)::ledger_line], p_now);
    IF p_incident.state = 'RESOLVED' THEN
        PERFORM incident_add(p_customer, p_incident.incident_id,
                             ROW(p_incident.kind, p_incident.subject, p_detail, p_incident.attempt_id, p_incident.payment_id,
                                 p_incident.gateway, p_incident.gateway_transaction, p_incident.currency,
                                 p_incident.amount)::incident_new, true, p_now);
        RETURN;
    END IF;
    UPDATE incident i
       SET detail = left(i.detail || '; then: ' || p_detail, 1000), update_time = p_now,
           version = i.version + CASE i.state WHEN 'OPEN' THEN 1 ELSE 0 END
     WHERE i.customer_id = p_customer AND i.incident_id = p_incident.incident_id;
END $$;

-- A refund that is none of ours, or no attempt of ours any more, has come back to the gateway.  As much of it as incidents
-- have taken off the gateway's account comes back there too, once, whoever finds it: news, or a run whose list has it.  What
-- people said the gateway was given back (POST_FROM_SUSPENSE to its account) is there already.  True: it was not known.
CREATE OR REPLACE FUNCTION refund_came_back(p_customer uuid, p_gateway text, p_transaction text, p_failure_code text,
                                            p_detail text, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_incident incident%ROWTYPE;
    v_gone bigint;
    v_is_news boolean := false;
BEGIN
    FOR v_incident IN
        SELECT * FROM incident i
         WHERE i.customer_id = p_customer AND i.subject = p_gateway || ' ' || p_transaction AND i.gateway = p_gateway
           AND i.kind IN ('REFUNDED_AT_GATEWAY_ONLY', 'GATEWAY_ONLY', 'DUPLICATE_REFERENCE', 'STATUS_DIFFERS')
         ORDER BY i.kind FOR NO KEY UPDATE
    LOOP
        SELECT coalesce(-sum(e.amount), 0) INTO v_gone FROM ledger_entry e
         WHERE e.customer_id = p_customer AND e.group_id = v_incident.incident_id AND e.currency = v_incident.currency
           AND e.account = 'gateway_clearing:' || p_gateway;
        IF v_gone > 0 THEN
            IF NOT refund_of_desk_reverse(p_customer, v_incident, p_failure_code, p_now) THEN
                PERFORM refund_of_desk_suspend(p_customer, v_incident, v_gone, p_detail, p_now);
            END IF;
            v_is_news := true;
        END IF;
    END LOOP;
    RETURN v_is_news;
END $$;
GRANT EXECUTE ON FUNCTION refund_came_back(uuid, text, text, text, text, timestamptz) TO dues_service;
