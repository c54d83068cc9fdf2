-- Sign-up: reserve the address, make everything in one commit, confirm the address.  Each step may be run again, and a
-- repeat of the request, or after a while another sign-up, finishes what a crash left between them.

-- 'claimed', 'same' (this request came before) or 'reused' (another request came under this id).
CREATE OR REPLACE FUNCTION stranger_request_claim(p_caller text, p_method text, p_request_id text, p_request_hash bytea,
                                                  p_now timestamptz) RETURNS TABLE (outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_hash bytea;
BEGIN
    INSERT INTO stranger_request AS r (caller, method, request_id, request_hash, create_time)
    VALUES (p_caller, p_method, p_request_id, p_request_hash, p_now)
    ON CONFLICT ON CONSTRAINT stranger_request_pkey DO NOTHING;
    IF FOUND THEN
        outcome := 'claimed';
    ELSE
        SELECT r.request_hash INTO STRICT v_hash FROM stranger_request r
         WHERE r.caller = p_caller AND r.method = p_method AND r.request_id = p_request_id;
        outcome := CASE WHEN v_hash = p_request_hash THEN 'same' ELSE 'reused' END;
    END IF;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION stranger_request_claim(text, text, text, bytea, timestamptz) TO dues_service;

-- 'reserved': go on with `customer_id`, which is p_customer, or what this request or one that never finished had
-- reserved; 'confirmed': the address belongs to `customer_id`; 'busy': another sign-up is at it right now.
CREATE OR REPLACE FUNCTION email_reserve(p_email text, p_customer uuid, p_caller text, p_request_id text,
                                         p_request_hash bytea, p_now timestamptz, p_stale timestamptz)
RETURNS TABLE (outcome text, customer_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_row email_reservation%ROWTYPE;
BEGIN
    INSERT INTO email_reservation AS e (email, customer_id, state, caller, request_id, request_hash, reserve_time)
    VALUES (p_email, p_customer, 'RESERVED', p_caller, p_request_id, p_request_hash, p_now)
    ON CONFLICT ON CONSTRAINT email_reservation_pkey DO NOTHING;
    SELECT * INTO STRICT v_row FROM email_reservation e WHERE e.email = p_email FOR UPDATE;
    customer_id := v_row.customer_id;
    IF v_row.state = 'CONFIRMED' THEN
        outcome := 'confirmed';
    ELSIF v_row.customer_id = p_customer
       OR (v_row.caller = p_caller AND v_row.request_id = p_request_id AND v_row.request_hash = p_request_hash) THEN
        outcome := 'reserved';
    ELSIF v_row.reserve_time <= p_stale THEN
        -- The customer's id stays: when its rows were committed already, the next step finds them.
        UPDATE email_reservation e
           SET caller = p_caller, request_id = p_request_id, request_hash = p_request_hash, reserve_time = p_now
         WHERE e.email = p_email;
        outcome := 'reserved';
    ELSE
        outcome := 'busy';
    END IF;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION email_reserve(text, uuid, text, text, bytea, timestamptz, timestamptz) TO dues_service;

CREATE OR REPLACE FUNCTION email_confirm(p_email text, p_customer uuid) RETURNS TABLE (outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE email_reservation e SET state = 'CONFIRMED' WHERE e.email = p_email AND e.customer_id = p_customer;
    outcome := CASE WHEN FOUND THEN 'confirmed' ELSE 'gone' END;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION email_confirm(text, uuid) TO dues_service;

-- User, customer and first session in one commit.  'exists': the customer was made by another sign-up.
-- A run again after a lost answer finds its own session and is 'new' again.
CREATE OR REPLACE FUNCTION sign_up(p_customer uuid, p_key request_key, p_email text, p_display_name text,
                                   p_password_hash text, p_test_clock uuid, p_session uuid, p_sender text,
                                   p_token_hash bytea, p_expire timestamptz, p_answer bytea, p_now timestamptz,
                                   OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT q.outcome, q.answer, q.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_customer, p_answer, p_now) q;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    INSERT INTO customer AS c (customer_id, display_name, email, test_clock_id, create_time)
    VALUES (p_customer, p_display_name, p_email, p_test_clock, p_now)
    ON CONFLICT ON CONSTRAINT customer_pkey DO NOTHING;
    IF FOUND THEN
        INSERT INTO user_account (customer_id, email, display_name, password_hash, password_time, create_time)
        VALUES (p_customer, p_email, p_display_name, p_password_hash, p_now, p_now);
        PERFORM session_insert(p_customer, p_session, p_sender, p_token_hash, p_expire, p_now);
        PERFORM event_append(p_customer, 'customer.created', p_customer, '{}', p_now);
    ELSIF NOT EXISTS (SELECT 1 FROM session s WHERE s.customer_id = p_customer AND s.session_id = p_session) THEN
        PERFORM request_forget(p_customer, p_key);
        outcome := 'exists';
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION sign_up(uuid, request_key, text, text, text, uuid, uuid, text, bytea, timestamptz, bytea,
                                  timestamptz) TO dues_service;
