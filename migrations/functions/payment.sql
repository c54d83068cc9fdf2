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
               p_payment.amount_refund_pending, p_payment.create_time, p_payment.update_time)::payment_result;
END $$;

-- Steps T1 and T2 in one: the intent, and "a request may have left".  The payment is PROCESSING, its attempt SENDING
-- under epoch 1, and the resolver's obligation falls due when the lease is over.
-- True; false when this very payment was opened before (the same step again after a lost COMMIT): nothing was written,
-- the first run's rows stand.
CREATE OR REPLACE FUNCTION payment_open(p_customer uuid, p_charge charge_intent, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_added boolean;
    v_now timestamptz := clock_timestamp();
    v_lease timestamptz := v_now + p_charge.lease_ms * interval '1 millisecond';
BEGIN
    INSERT INTO payment (customer_id, payment_id, payment_method_id, invoice_id, currency, amount, description, state,
                         create_time, update_time)
    VALUES (p_customer, p_charge.payment_id, p_charge.payment_method_id, p_charge.invoice_id, p_charge.currency,
            p_charge.amount, coalesce(p_charge.description, ''), 'PROCESSING', p_now, p_now)
    ON CONFLICT ON CONSTRAINT payment_pkey DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO attempt (customer_id, attempt_id, payment_id, operation, sequence, gateway, gateway_key, currency, amount,
                         off_session, state, epoch, lease_until, first_sent_time, send_count, create_time)
    VALUES (p_customer, p_charge.attempt_id, p_charge.payment_id, 'CHARGE', 1, p_charge.gateway, p_charge.gateway_key,
            p_charge.currency, p_charge.amount, p_charge.off_session, 'SENDING', 1, v_lease, v_now, 1, p_now);
    v_added := obligation_add(p_customer, 'payment.resolve', p_charge.attempt_id::text, p_charge.payment_id, v_lease, false,
                              p_now);
    RETURN true;
END $$;

-- Step T3 (T4 when the answer is not definitive): records the gateway's answer once, with the ledger group and the
-- event.  `outcome` as attempt_settle: only after 'settled' does the caller write what follows from the result.
CREATE OR REPLACE FUNCTION payment_settle(p_customer uuid, p_settlement settlement, p_now timestamptz)
RETURNS payment_result
LANGUAGE plpgsql AS $$
DECLARE
    v_step record;
    v_posted boolean;
    v_sequence bigint;
    v_attempt attempt%ROWTYPE;
    v_payment payment%ROWTYPE;
    v_state text := CASE p_settlement.outcome WHEN 'SUCCEEDED' THEN 'SUCCEEDED' WHEN 'REQUIRES_ACTION' THEN 'REQUIRES_ACTION'
                                              ELSE 'FAILED' END;
BEGIN
    v_step := attempt_settle(p_customer, 'CHARGE', p_settlement, p_now);
    v_attempt := v_step.settled;
    IF v_step.outcome <> 'settled' THEN
        SELECT * INTO STRICT v_payment FROM payment
         WHERE customer_id = p_customer AND payment_id = p_settlement.payment_id;
        RETURN payment_as_result(v_step.outcome, v_payment);
    END IF;
    UPDATE payment p
       SET state = v_state, update_time = p_now,
           amount_captured = CASE v_state WHEN 'SUCCEEDED' THEN p.amount ELSE 0 END,
           decline_code = CASE WHEN v_state = 'SUCCEEDED' THEN '' WHEN p_settlement.decline_code = '' THEN 'generic_decline'
                               ELSE p_settlement.decline_code END
     WHERE p.customer_id = p_customer AND p.payment_id = p_settlement.payment_id AND p.state = 'PROCESSING'
    RETURNING p.* INTO STRICT v_payment;
    IF v_state = 'SUCCEEDED' THEN
        v_posted := ledger_post(p_customer, v_attempt.attempt_id, 'charge',
            ARRAY[ROW('gateway_clearing:' || v_attempt.gateway, v_attempt.currency, v_attempt.amount)::ledger_line,
                  ROW(CASE WHEN v_payment.invoice_id IS NULL THEN 'revenue' ELSE 'customer_receivable' END,
                      v_attempt.currency, -v_attempt.amount)::ledger_line], p_now);
    END IF;
    v_sequence := event_append(p_customer, 'payment.' || lower(v_state), v_payment.payment_id,
        jsonb_build_object('amount', v_payment.amount, 'currency', v_payment.currency, 'decline_code', v_payment.decline_code),
        p_now);
    -- After the customer's row, which the event locks: memberships lock in this order too.
    IF decline_ends_method(v_payment.decline_code) THEN
        UPDATE payment_method SET state = 'UNUSABLE'
         WHERE customer_id = p_customer AND payment_method_id = v_payment.payment_method_id;
    END IF;
    RETURN payment_as_result('settled', v_payment);
END $$;

-- The bank said that the method will never work again.  Same codes as decline.c; a test compares them.
CREATE OR REPLACE FUNCTION decline_ends_method(p_code text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT p_code IN ('lost_card', 'stolen_card', 'pickup_card')
$$;
GRANT EXECUTE ON FUNCTION decline_ends_method(text) TO dues_service;

-- The first step of CreatePayment.  Outcomes of request_record.
CREATE OR REPLACE FUNCTION payment_create(p_customer uuid, p_key request_key, p_charge charge_intent, p_now timestamptz,
                                          OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_request record;
    v_opened boolean;
BEGIN
    v_request := request_record(p_customer, p_key, p_charge.payment_id, NULL, p_now);
    outcome := v_request.outcome;
    answer := v_request.answer;
    object_id := v_request.object_id;
    IF outcome = 'new' THEN
        v_opened := payment_open(p_customer, p_charge, p_now);
    ELSIF outcome = 'running' AND object_id = p_charge.payment_id THEN
        outcome := 'new';   -- this very step, again after a lost COMMIT
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION payment_create(uuid, request_key, charge_intent, timestamptz) TO dues_service;

-- The last step of CreatePayment, and of its resolver.  `p_answer` is kept for repeats when the result is definitive.
CREATE OR REPLACE FUNCTION payment_finish(p_customer uuid, p_settlement settlement, p_method text, p_answer bytea,
                                          p_now timestamptz) RETURNS payment_result
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_result payment_result;
BEGIN
    v_result := payment_settle(p_customer, p_settlement, p_now);
    IF v_result.outcome = 'settled' THEN
        PERFORM request_answer(p_customer, p_settlement.payment_id, p_method, p_answer);
    END IF;
    RETURN v_result;
END $$;
GRANT EXECUTE ON FUNCTION payment_finish(uuid, settlement, text, bytea, timestamptz) TO dues_service;
