-- Payments.  payment_open and payment_settle are building blocks: every step that charges calls them inside its
-- own commit.  payment_create and payment_finish are the steps of a payment of its own.
--
-- What a step asks of another function it takes as a value (v := f(…)): PL/pgSQL evaluates that without starting a query.
-- Functions that only steps call have no search_path of their own: they run in that of the step.

CREATE OR REPLACE FUNCTION payment_as_result(p_outcome text, p_payment payment) RETURNS payment_result
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ROW(p_outcome, p_payment.payment_id, p_payment.payment_method_id, p_payment.invoice_id,
               p_payment.currency::text, p_payment.amount, p_payment.description, p_payment.state,
               p_payment.decline_code, p_payment.amount_captured, p_payment.amount_refunded,
               p_payment.amount_refund_pending, p_payment.create_time, p_payment.update_time, p_payment.is_manual,
               p_payment.amount_capturable, p_payment.amount_capture_pending,
               p_payment.authorization_expire_time, p_payment.amount_disputed,
               p_payment.network_decline_code, p_payment.advice)::payment_result;
END $$;

-- Steps T1 and T2 in one: the intent, and "a request may have left".  The payment is PROCESSING, its attempt SENDING
-- under epoch 1, and the resolver's obligation falls due when the lease is over.
-- True; false when this very payment was opened before (the same step again after a lost COMMIT): nothing was written,
-- the first run's rows stand.
CREATE OR REPLACE FUNCTION payment_open(p_customer uuid, p_charge charge_intent, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_lease timestamptz := v_now + p_charge.lease_ms * interval '1 millisecond';
BEGIN
    INSERT INTO payment (customer_id, payment_id, payment_method_id, invoice_id, currency, amount, description, state,
                         is_manual, create_time, update_time)
    VALUES (p_customer, p_charge.payment_id, p_charge.payment_method_id, p_charge.invoice_id, p_charge.currency,
            p_charge.amount, coalesce(p_charge.description, ''), 'PROCESSING', coalesce(p_charge.is_manual, false), p_now, p_now)
    ON CONFLICT ON CONSTRAINT payment_pkey DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO attempt (customer_id, attempt_id, payment_id, operation, sequence, gateway, gateway_key, currency, amount,
                         off_session, state, epoch, lease_until, first_sent_time, send_count, create_time)
    VALUES (p_customer, p_charge.attempt_id, p_charge.payment_id, CASE WHEN p_charge.is_manual THEN 'AUTHORIZE' ELSE 'CHARGE' END,
            1, p_charge.gateway, p_charge.gateway_key, p_charge.currency, p_charge.amount, p_charge.off_session, 'SENDING', 1,
            v_lease, v_now, 1, p_now);
    -- As obligation_add, but for the look whether it is there: the attempt is new, and so is what is owed for it.
    INSERT INTO obligation (customer_id, kind, business_key, bucket, subject_id, due_time, epoch, create_time)
    VALUES (p_customer, 'payment.resolve', p_charge.attempt_id::text, get_byte(uuid_send(p_customer), 15) % 64,
            p_charge.payment_id, v_lease, (extract(epoch FROM v_now) * 1000000)::bigint, p_now);
    RETURN true;
END $$;

-- From which states a payment may come to `p_to`.  The same table as payment_may_move in payment_rules.c; a test compares
-- them.
CREATE OR REPLACE FUNCTION payment_sources(p_to text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE p_to
        WHEN 'REQUIRES_ACTION' THEN ARRAY['PROCESSING']
        WHEN 'REQUIRES_CAPTURE' THEN ARRAY['PROCESSING', 'REQUIRES_ACTION']
        WHEN 'SUCCEEDED' THEN ARRAY['PROCESSING', 'REQUIRES_ACTION', 'REQUIRES_CAPTURE']
        WHEN 'FAILED' THEN ARRAY['PROCESSING', 'REQUIRES_ACTION']
        WHEN 'CANCELED' THEN ARRAY['REQUIRES_ACTION', 'REQUIRES_CAPTURE']
        ELSE ARRAY[]::text[]
    END
$$;
GRANT EXECUTE ON FUNCTION payment_sources(text) TO dues_service;

-- Step T3 (T4 when the answer is not definitive): records the gateway's answer once, with the ledger group and the
-- event.  `outcome` as attempt_settle: only after 'settled' does the caller write what follows from the result, and only
-- then `state` is given.  Who asked knows the payment; of a row every column costs that a statement returns.
DROP FUNCTION IF EXISTS payment_settle(uuid, settlement, timestamptz);
CREATE FUNCTION payment_settle(p_customer uuid, p_settlement settlement, p_now timestamptz,
                               OUT outcome text, OUT state text)
LANGUAGE plpgsql AS $$
DECLARE
    v_step record;
    v_post ledger_group;
    v_sequence bigint;
    v_attempt attempt%ROWTYPE;
    v_payment record;
    v_state text;
    v_decline_code text := '';
    v_network_decline_code text := '';
    v_advice text := '';
BEGIN
    v_step := attempt_settle(p_customer, ARRAY['CHARGE', 'AUTHORIZE'], p_settlement, p_now);
    outcome := v_step.outcome;
    IF outcome <> 'settled' THEN
        RETURN;
    END IF;
    v_attempt := v_step.settled;
    v_state := CASE WHEN v_attempt.state = 'REQUIRES_ACTION' THEN 'REQUIRES_ACTION'
                    WHEN v_attempt.state = 'DECLINED' AND v_attempt.decline_code = 'canceled' THEN 'CANCELED'
                    WHEN v_attempt.state <> 'SUCCEEDED' THEN 'FAILED'
                    WHEN v_attempt.operation = 'CHARGE' THEN 'SUCCEEDED' ELSE 'REQUIRES_CAPTURE' END;
    IF v_state IN ('FAILED', 'REQUIRES_ACTION') THEN
        v_decline_code := CASE p_settlement.decline_code WHEN '' THEN 'generic_decline' ELSE p_settlement.decline_code END;
        v_network_decline_code := v_attempt.network_decline_code;
        v_advice := v_attempt.advice;
    END IF;
    UPDATE payment p
       SET state = v_state, update_time = p_now,
           amount_captured = CASE v_state WHEN 'SUCCEEDED' THEN v_attempt.amount ELSE 0 END,
           amount_capturable = CASE v_state WHEN 'REQUIRES_CAPTURE' THEN v_attempt.amount ELSE 0 END,
           amount_beyond = nullif(v_attempt.amount - p.amount, 0),
           authorization_expire_time = p_settlement.authorization_expire_time,
           decline_code = v_decline_code, network_decline_code = v_network_decline_code, advice = v_advice
     WHERE p.customer_id = p_customer AND p.payment_id = p_settlement.payment_id
       AND p.state = ANY (payment_sources(v_state))
    RETURNING p.payment_method_id, p.invoice_id, v_attempt.amount AS amount, p.currency INTO v_payment;
    IF NOT FOUND THEN
        -- The customer has not done it yet; anything else is a mistake of ours.
        SELECT p.invoice_id INTO STRICT v_payment FROM payment p
         WHERE p.customer_id = p_customer AND p.payment_id = p_settlement.payment_id AND p.state = v_state
           AND v_state = 'REQUIRES_ACTION';
        outcome := 'again';
        RETURN;
    END IF;
    state := v_state;
    IF v_state = 'SUCCEEDED' THEN
        v_post := ROW(v_attempt.attempt_id, 'charge',
            ARRAY[ROW('gateway_clearing:' || v_attempt.gateway, v_attempt.currency, v_attempt.amount)::ledger_line,
                  ROW(CASE WHEN v_payment.invoice_id IS NULL THEN 'revenue' ELSE 'customer_receivable' END,
                      v_attempt.currency, -v_attempt.amount)::ledger_line])::ledger_group;
    END IF;
    IF v_decline_code = '' THEN
        v_sequence := event_append(p_customer, 'payment.' || lower(v_state), p_settlement.payment_id,
            jsonb_build_object('amount', v_payment.amount, 'currency', v_payment.currency, 'decline_code', ''), p_now, v_post);
    ELSE
        v_sequence := event_append(p_customer, 'payment.' || lower(v_state), p_settlement.payment_id,
            jsonb_build_object('amount', v_payment.amount, 'currency', v_payment.currency, 'decline_code', v_decline_code,
                               'network_decline_code', v_network_decline_code, 'advice', v_advice),
            p_now, v_post);
    END IF;
    -- What comes now locks after the customer's row, which the event locks: memberships lock in this order too.
    IF v_state IN ('REQUIRES_ACTION', 'REQUIRES_CAPTURE') OR v_attempt.epoch > 1 THEN
        PERFORM payment_wait(p_customer, v_attempt, v_state, p_settlement, p_now);
    END IF;
    IF v_attempt.epoch > 1 THEN
        PERFORM attempt_suspend_money(p_customer, v_attempt, 0, p_now);
    END IF;
    -- Who did not authenticate was not refused by the bank.
    IF v_attempt.state = 'DECLINED' AND v_attempt.decline_code NOT IN ('authentication_not_handled', 'canceled') THEN
        PERFORM payment_method_declined(p_customer, v_payment.payment_method_id, v_decline_code,
                                        p_settlement.network_decline_code, p_settlement.advice, p_now);
    END IF;
END $$;

-- What a payment waits for from now on: its customer, its capture, nothing more.
DROP FUNCTION IF EXISTS payment_wait(uuid, attempt, payment, settlement, timestamptz);
CREATE OR REPLACE FUNCTION payment_wait(p_customer uuid, p_attempt attempt, p_state text, p_settlement settlement,
                                        p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_expire timestamptz := coalesce(p_settlement.action_expire_time, p_now + interval '1 day');
BEGIN
    IF p_state = 'REQUIRES_ACTION' THEN
        INSERT INTO payment_action (customer_id, payment_id, action_sealed, expire_time, create_time)
        VALUES (p_customer, p_attempt.payment_id, coalesce(p_settlement.action_sealed, ''), v_expire, p_now)
        ON CONFLICT ON CONSTRAINT payment_action_pkey DO NOTHING;
        PERFORM obligation_add(p_customer, 'payment.action', p_attempt.attempt_id::text, p_attempt.payment_id,
                               least(p_now + interval '1 minute', v_expire), true, p_now);
        RETURN;
    END IF;
    DELETE FROM payment_action WHERE customer_id = p_customer AND payment_id = p_attempt.payment_id;
    DELETE FROM obligation WHERE customer_id = p_customer AND kind = 'payment.action'
       AND business_key = p_attempt.attempt_id::text;
    IF p_state = 'REQUIRES_CAPTURE' THEN
        PERFORM obligation_add(p_customer, 'payment.expire', p_attempt.payment_id::text, p_attempt.payment_id,
                               p_settlement.authorization_expire_time, true, p_now);
    END IF;
END $$;

-- The bank said that the method will never work again.  Same codes as decline.c; a test compares them.
CREATE OR REPLACE FUNCTION decline_ends_method(p_code text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT p_code IN ('lost_card', 'stolen_card', 'pickup_card')
$$;
GRANT EXECUTE ON FUNCTION decline_ends_method(text) TO dues_service;

-- The first step of CreatePayment.  Outcomes of request_record, and those of payment_method_refuses: nothing was written.
CREATE OR REPLACE FUNCTION payment_create(p_customer uuid, p_key request_key, p_charge charge_intent, p_now timestamptz,
                                          OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_request record;
    v_opened boolean;
    v_refused text;
BEGIN
    v_request := request_record(p_customer, p_key, p_charge.payment_id, NULL, p_now);
    outcome := v_request.outcome;
    answer := v_request.answer;
    object_id := v_request.object_id;
    IF outcome = 'new' THEN
        v_refused := payment_method_refuses(p_customer, p_charge.payment_method_id, p_charge.off_session, p_now);
        IF v_refused IS NOT NULL THEN
            PERFORM request_forget(p_customer, p_key);
            outcome := v_refused;
            RETURN;
        END IF;
        v_opened := payment_open(p_customer, p_charge, p_now);
    ELSIF outcome = 'running' AND object_id = p_charge.payment_id THEN
        outcome := 'new';   -- this very step, again after a lost COMMIT
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION payment_create(uuid, request_key, charge_intent, timestamptz) TO dues_service;

-- The last step of CreatePayment, and of its resolver.  `p_answer` is kept for repeats when the result is definitive; while
-- the customer has something to do it is not (`p_answer` NULL).  Answers the outcome of payment_settle.
DROP FUNCTION IF EXISTS payment_finish(uuid, settlement, text, bytea, timestamptz);
CREATE FUNCTION payment_finish(p_customer uuid, p_settlement settlement, p_method text, p_answer bytea,
                               p_now timestamptz, OUT outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_result record;
    v_answered boolean;
BEGIN
    v_result := payment_settle(p_customer, p_settlement, p_now);
    outcome := v_result.outcome;
    IF outcome = 'settled' AND p_answer IS NOT NULL THEN
        v_answered := request_answer(p_customer, p_settlement.payment_id, p_method, p_answer);
    END IF;
    IF outcome = 'settled' AND p_settlement.epoch > 1 THEN
        PERFORM payment_action_answer(p_customer, p_settlement.attempt_id, v_result.state, p_answer);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION payment_finish(uuid, settlement, text, bytea, timestamptz) TO dues_service;
