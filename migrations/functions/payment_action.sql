-- CancelPayment of what waits for its customer: the wish.  Whoever drives the attempt from here on has the gateway let go of
-- the action, also when the caller is gone; payment_settle knows by the attempt's decline_code 'canceled' that it was this.

-- Outcomes of request_record, and 'over': nobody waits for the customer any more; nothing was written.
CREATE OR REPLACE FUNCTION payment_action_cancel(p_customer uuid, p_key request_key, p_payment uuid, p_attempt uuid,
                                                 p_now timestamptz, OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_request record;
BEGIN
    v_request := request_record(p_customer, p_key, p_attempt, NULL, p_now);
    outcome := v_request.outcome;
    answer := v_request.answer;
    object_id := v_request.object_id;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    UPDATE payment_action a SET cancel_time = coalesce(a.cancel_time, p_now)
     WHERE a.customer_id = p_customer AND a.payment_id = p_payment;
    IF NOT FOUND THEN
        PERFORM request_forget(p_customer, p_key);
        outcome := 'over';
        RETURN;
    END IF;
    -- Should the caller's server die before it has asked the gateway.
    UPDATE obligation o SET due_time = least(o.due_time, p_now + interval '1 minute')
     WHERE o.customer_id = p_customer AND o.kind = 'payment.action' AND o.business_key = p_attempt::text;
END $$;
GRANT EXECUTE ON FUNCTION payment_action_cancel(uuid, request_key, uuid, uuid, timestamptz) TO dues_service;

-- What is recorded for those who asked to cancel: the payment, if it was canceled; else each may ask again.
CREATE OR REPLACE FUNCTION payment_action_answer(p_customer uuid, p_attempt uuid, p_state text, p_answer bytea) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF p_state = 'CANCELED' THEN
        PERFORM request_answer(p_customer, p_attempt, '/dues.payment.v1.PaymentService/CancelPayment', p_answer);
    ELSIF p_state <> 'REQUIRES_ACTION' THEN
        DELETE FROM recorded_request r
         WHERE r.customer_id = p_customer AND r.object_id = p_attempt AND r.answer IS NULL;
    END IF;
END $$;
