-- Customers made by a service for somebody who does not log in here.  (SignUp makes its own, with the user.)

-- Outcomes of request_record.
CREATE OR REPLACE FUNCTION customer_create(p_customer uuid, p_key request_key, p_answer bytea, p_display_name text,
                                           p_email text, p_test_clock uuid, p_now timestamptz,
                                           OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_customer, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    INSERT INTO customer AS c (customer_id, display_name, email, test_clock_id, create_time)
    VALUES (p_customer, p_display_name, p_email, p_test_clock, p_now)
    ON CONFLICT ON CONSTRAINT customer_pkey DO NOTHING;
    IF FOUND THEN
        PERFORM event_append(p_customer, 'customer.created', p_customer, NULL, p_now);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION customer_create(uuid, request_key, bytea, text, text, uuid, timestamptz) TO dues_service;
