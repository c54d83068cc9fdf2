-- Payment methods.

-- Stores one.  `p_is_default` is what the answer says: the customer has no default yet.  Outcomes of request_record,
-- and 'changed': another method became the default meanwhile; nothing was written, look again.
CREATE OR REPLACE FUNCTION payment_method_create(p_customer uuid, p_key request_key, p_answer bytea, p_method uuid,
                                                 p_gateway text, p_token_sealed bytea, p_brand text, p_last4 text,
                                                 p_exp_month integer, p_exp_year integer, p_is_default boolean,
                                                 p_now timestamptz,
                                                 OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_method, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    IF p_is_default THEN
        UPDATE customer c SET default_payment_method_id = p_method
         WHERE c.customer_id = p_customer
           AND (c.default_payment_method_id IS NULL OR c.default_payment_method_id = p_method);
        IF NOT FOUND THEN
            DELETE FROM recorded_request r
             WHERE r.customer_id = p_customer AND r.caller = p_key.caller AND r.method = p_key.method
               AND r.request_id = p_key.request_id AND r.object_id = p_method;
            outcome := 'changed';
            RETURN;
        END IF;
    END IF;
    INSERT INTO payment_method (customer_id, payment_method_id, gateway, token_sealed, brand, last4, exp_month, exp_year,
                                state, create_time)
    VALUES (p_customer, p_method, p_gateway, p_token_sealed, p_brand, p_last4, p_exp_month, p_exp_year, 'ACTIVE', p_now)
    ON CONFLICT ON CONSTRAINT payment_method_pkey DO NOTHING;
END $$;
GRANT EXECUTE ON FUNCTION payment_method_create(uuid, request_key, bytea, uuid, text, bytea, text, text, integer, integer,
                                                boolean, timestamptz) TO dues_service;
