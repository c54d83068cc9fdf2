-- Captures and voids: taking what an authorization holds, and letting go of it.  Same protocol as a charge, other operations.
-- A final capture and a void reserve all that is held and free, so that nothing can be asked beside them.

-- The first step: reserves on the payment and arms the attempt.  Outcomes of request_record, and 'exceeds': so much is not
-- free, or something is on its way that must end first; nothing was written.  A void is of all that is free: `amount`.
CREATE OR REPLACE FUNCTION capture_open(p_customer uuid, p_key request_key, p_capture capture_intent, p_now timestamptz,
                                        OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_payment payment%ROWTYPE;
    v_held attempt%ROWTYPE;
    v_takes_all boolean := p_capture.is_final OR p_capture.operation = 'VOID';
    v_now timestamptz := clock_timestamp();
    v_lease timestamptz := v_now + p_capture.lease_ms * interval '1 millisecond';
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_capture.attempt_id, NULL, p_now) r;
    IF outcome = 'running' AND object_id = p_capture.attempt_id
       OR outcome = 'new' AND EXISTS (SELECT FROM attempt a
                                       WHERE a.customer_id = p_customer AND a.attempt_id = p_capture.attempt_id) THEN
        outcome := 'new';   -- this very step, again after a lost COMMIT
        RETURN;
    ELSIF outcome <> 'new' THEN
        RETURN;
    END IF;
    UPDATE payment p
       SET amount_capturable = CASE WHEN v_takes_all THEN 0 ELSE p.amount_capturable - p_capture.amount END,
           amount_capture_pending = p.amount_capture_pending + CASE WHEN v_takes_all THEN p.amount_capturable
                                                                    ELSE p_capture.amount END
     WHERE p.customer_id = p_customer AND p.payment_id = p_capture.payment_id AND p.state = 'REQUIRES_CAPTURE'
       AND p_capture.amount > 0 AND p.amount_capturable >= p_capture.amount
       AND (NOT v_takes_all OR p.amount_capture_pending = 0)
       AND (p_capture.operation = 'CAPTURE' OR p.amount_capturable = p_capture.amount)
    RETURNING p.* INTO v_payment;
    IF NOT FOUND THEN
        PERFORM request_forget(p_customer, p_key);
        outcome := 'exceeds';
        RETURN;
    END IF;
    SELECT * INTO STRICT v_held FROM attempt a
     WHERE a.customer_id = p_customer AND a.payment_id = p_capture.payment_id AND a.operation = 'AUTHORIZE'
       AND a.state = 'SUCCEEDED';
    INSERT INTO attempt (customer_id, attempt_id, payment_id, operation, sequence, gateway, gateway_key, currency, amount,
                         off_session, charge_transaction, is_final, state, epoch, lease_until, first_sent_time, send_count,
                         create_time)
    SELECT p_customer, p_capture.attempt_id, p_capture.payment_id, p_capture.operation,
           coalesce(max(a.sequence), 0) + 1, v_held.gateway, p_capture.gateway_key, v_payment.currency, p_capture.amount,
           true, v_held.gateway_transaction, v_takes_all, 'SENDING', 1, v_lease, v_now, 1, p_now
      FROM attempt a
     WHERE a.customer_id = p_customer AND a.payment_id = p_capture.payment_id AND a.operation = p_capture.operation;
    PERFORM obligation_add(p_customer, 'payment.resolve', p_capture.attempt_id::text, p_capture.payment_id, v_lease, false,
                           p_now);
END $$;
GRANT EXECUTE ON FUNCTION capture_open(uuid, request_key, capture_intent, timestamptz) TO dues_service;

-- The payment as it stands once the attempt's result is recorded.  What a final capture or a void did not take is let go of.
-- `p_asked`: what was reserved for a capture that is not final; the attempt has what was taken.
DROP FUNCTION IF EXISTS capture_apply(payment, attempt, timestamptz);
CREATE OR REPLACE FUNCTION capture_apply(p_payment payment, p_attempt attempt, p_asked bigint, p_now timestamptz) RETURNS payment
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_reserved bigint := CASE WHEN p_attempt.is_final THEN p_payment.amount_capture_pending ELSE p_asked END;
    v_held bigint := p_payment.amount_capturable;
BEGIN
    p_payment.update_time := p_now;
    p_payment.amount_capture_pending := p_payment.amount_capture_pending - v_reserved;
    IF p_attempt.state <> 'SUCCEEDED' THEN
        p_payment.amount_capturable := p_payment.amount_capturable + v_reserved;
        RETURN p_payment;
    END IF;
    IF p_attempt.operation = 'CAPTURE' THEN
        p_payment.amount_captured := p_payment.amount_captured + p_attempt.amount;
        IF p_attempt.amount <> p_asked THEN
            IF NOT p_attempt.is_final THEN
                v_held := v_held + p_asked - p_attempt.amount;
                p_payment.amount_capturable := greatest(v_held, 0);
            END IF;
            p_payment.amount_beyond := nullif(greatest(p_payment.amount_captured + p_payment.amount_capturable
                                                           + p_payment.amount_capture_pending
                                                           - p_payment.amount,
                                                       coalesce(p_payment.amount_beyond, 0)), 0);
        END IF;
    END IF;
    IF p_attempt.is_final OR p_payment.amount_captured = p_payment.amount + coalesce(p_payment.amount_beyond, 0) THEN
        p_payment.state := CASE WHEN p_payment.amount_captured > 0 THEN 'SUCCEEDED' ELSE 'CANCELED' END;
    END IF;
    RETURN p_payment;
END $$;

-- The last step.  `outcome` as attempt_settle, and 'changed': the payment is not any more as `p_known` says, nothing was
-- written, read and decide again; 'refused': recorded now, or before (a lost COMMIT, somebody else's step), that the gateway
-- did not.  `p_answer` is kept for repeats of the request when it did what it should; else the request is forgotten, and a
-- repeat tries anew.
CREATE OR REPLACE FUNCTION capture_settle(p_customer uuid, p_operation text, p_settlement settlement, p_known payment_known,
                                          p_method text, p_answer bytea, p_now timestamptz) RETURNS payment_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_step record;
    v_attempt attempt%ROWTYPE;
    v_payment payment%ROWTYPE;
    v_asked bigint;
BEGIN
    SELECT * INTO STRICT v_payment FROM payment p
     WHERE p.customer_id = p_customer AND p.payment_id = p_settlement.payment_id FOR NO KEY UPDATE;
    SELECT a.amount INTO v_asked FROM attempt a
     WHERE a.customer_id = p_customer AND a.attempt_id = p_settlement.attempt_id;
    IF EXISTS (SELECT FROM attempt a WHERE a.customer_id = p_customer AND a.attempt_id = p_settlement.attempt_id
                  AND a.state IN ('SENDING', 'UNKNOWN', 'RESOLVING'))
       AND p_known IS DISTINCT FROM ROW(v_payment.state, v_payment.amount_captured, v_payment.amount_capturable,
                                        v_payment.amount_capture_pending, v_payment.amount_refunded)::payment_known THEN
        RETURN payment_as_result('changed', v_payment);
    END IF;
    SELECT * INTO v_step FROM attempt_settle(p_customer, ARRAY[p_operation], p_settlement, p_now);
    v_attempt := v_step.settled;
    IF v_step.outcome <> 'settled' THEN
        RETURN payment_as_result(CASE WHEN v_step.outcome = 'again' AND v_attempt.state IN ('DECLINED', 'FAILED')
                                      THEN 'refused' ELSE v_step.outcome END, v_payment);
    END IF;
    v_payment := capture_apply(v_payment, v_attempt, v_asked, p_now);
    UPDATE payment p
       SET state = v_payment.state, amount_captured = v_payment.amount_captured,
           amount_capturable = v_payment.amount_capturable, amount_capture_pending = v_payment.amount_capture_pending,
           amount_beyond = v_payment.amount_beyond, update_time = p_now
     WHERE p.customer_id = p_customer AND p.payment_id = v_payment.payment_id
       AND (p.state = v_payment.state OR p.state = ANY (payment_sources(v_payment.state)));
    IF v_attempt.state = 'SUCCEEDED' AND p_operation = 'CAPTURE' THEN
        PERFORM ledger_post(p_customer, v_attempt.attempt_id, 'capture',
            ARRAY[ROW('gateway_clearing:' || v_attempt.gateway, v_attempt.currency, v_attempt.amount)::ledger_line,
                  ROW('revenue', v_attempt.currency, -v_attempt.amount)::ledger_line], p_now);
    END IF;
    IF v_attempt.epoch > 1 THEN
        PERFORM attempt_suspend_money(p_customer, v_attempt, 0, p_now);
    END IF;
    PERFORM capture_tell(p_customer, v_attempt, v_payment, p_now);
    IF v_attempt.state = 'SUCCEEDED' THEN
        PERFORM request_answer(p_customer, v_attempt.attempt_id, p_method, p_answer);
    ELSE
        DELETE FROM recorded_request r
         WHERE r.customer_id = p_customer AND r.object_id = v_attempt.attempt_id AND r.answer IS NULL;
    END IF;
    IF v_payment.state <> 'REQUIRES_CAPTURE' THEN
        DELETE FROM obligation WHERE customer_id = p_customer AND kind = 'payment.expire'
           AND business_key = v_payment.payment_id::text;
    END IF;
    RETURN payment_as_result(CASE v_attempt.state WHEN 'SUCCEEDED' THEN 'settled' ELSE 'refused' END, v_payment);
END $$;
GRANT EXECUTE ON FUNCTION capture_settle(uuid, text, settlement, payment_known, text, bytea, timestamptz) TO dues_service;

-- One event for what was taken or refused, one more when the payment has come to its end.
CREATE OR REPLACE FUNCTION capture_tell(p_customer uuid, p_attempt attempt, p_payment payment, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF p_attempt.state = 'SUCCEEDED' AND p_attempt.operation = 'CAPTURE' THEN
        PERFORM event_append(p_customer, 'payment.captured', p_payment.payment_id,
            jsonb_build_object('amount', p_attempt.amount, 'currency', p_payment.currency,
                               'amount_captured', p_payment.amount_captured), p_now);
    ELSIF p_attempt.state <> 'SUCCEEDED' AND p_attempt.operation = 'CAPTURE' THEN
        PERFORM event_append(p_customer, 'payment.capture_failed', p_payment.payment_id,
            jsonb_build_object('amount', p_attempt.amount, 'currency', p_payment.currency,
                               'decline_code', p_attempt.decline_code), p_now);
    ELSIF p_attempt.state <> 'SUCCEEDED' THEN
        PERFORM event_append(p_customer, 'payment.cancel_failed', p_payment.payment_id,
            jsonb_build_object('amount', p_attempt.amount, 'currency', p_payment.currency,
                               'decline_code', p_attempt.decline_code), p_now);
    END IF;
    IF p_payment.state <> 'REQUIRES_CAPTURE' THEN
        PERFORM event_append(p_customer, 'payment.' || lower(p_payment.state), p_payment.payment_id,
            jsonb_build_object('amount', CASE p_payment.state WHEN 'SUCCEEDED' THEN p_payment.amount_captured
                                                              ELSE p_payment.amount END,
                               'currency', p_payment.currency, 'decline_code', ''), p_now);
    END IF;
END $$;

-- The gateway does not let go of what has expired: people look.
CREATE OR REPLACE FUNCTION release_refused(p_customer uuid, p_attempt uuid, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_attempt attempt%ROWTYPE;
BEGIN
    SELECT * INTO STRICT v_attempt FROM attempt a WHERE a.customer_id = p_customer AND a.attempt_id = p_attempt;
    PERFORM incident_add(p_customer, NULL,
                         ROW('RELEASE_REFUSED', p_attempt::text, v_attempt.evidence, p_attempt, v_attempt.payment_id,
                             v_attempt.gateway, v_attempt.gateway_transaction, v_attempt.currency,
                             v_attempt.amount)::incident_new, false, p_now);
END $$;
GRANT EXECUTE ON FUNCTION release_refused(uuid, uuid, timestamptz) TO dues_service;
