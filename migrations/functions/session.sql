-- Sessions: opened by a password, carried on by refresh tokens, ended by log-out or by a token in two hands.

CREATE OR REPLACE FUNCTION session_insert(p_customer uuid, p_session uuid, p_sender text, p_token_hash bytea,
                                          p_expire timestamptz, p_now timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO session (customer_id, session_id, state, sender, generation, token_hash, rotate_time, expire_time, create_time)
    VALUES (p_customer, p_session, 'ACTIVE', p_sender, 1, p_token_hash, p_now, p_expire, p_now)
    ON CONFLICT ON CONSTRAINT session_pkey DO NOTHING;
END $$;

-- A session for who knew the password.  `p_password_hash` is what it was checked against and `p_new_hash`, when not
-- NULL, the same password with today's parameters: it is put in place unless the password changed meanwhile.
CREATE OR REPLACE FUNCTION session_open(p_customer uuid, p_key request_key, p_session uuid, p_sender text,
                                        p_token_hash bytea, p_expire timestamptz, p_password_hash text, p_new_hash text,
                                        p_answer bytea, p_now timestamptz,
                                        OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT q.outcome, q.answer, q.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_session, p_answer, p_now) q;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    PERFORM session_insert(p_customer, p_session, p_sender, p_token_hash, p_expire, p_now);
    IF p_new_hash IS NOT NULL THEN
        UPDATE user_account u SET password_hash = p_new_hash
         WHERE u.customer_id = p_customer AND u.password_hash = p_password_hash;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION session_open(uuid, request_key, uuid, text, bytea, timestamptz, text, text, bytea, timestamptz) TO dues_service;

-- What a refresh finds when it was not the first with its token.  The successor is a function of the session and its
-- generation, so a repeat brings the same p_token_hash.
CREATE OR REPLACE FUNCTION session_repeat(p_customer uuid, p_session uuid, p_generation integer, p_sender text,
                                          p_token_hash bytea, p_grace_seconds bigint, p_now timestamptz) RETURNS text
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
DECLARE
    v_session session%ROWTYPE;
BEGIN
    SELECT * INTO v_session FROM session s WHERE s.customer_id = p_customer AND s.session_id = p_session FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'gone';
    ELSIF v_session.state <> 'ACTIVE' THEN
        RETURN 'ended';
    ELSIF v_session.expire_time <= p_now THEN
        RETURN 'expired';
    ELSIF v_session.generation = p_generation + 1 AND v_session.token_hash = p_token_hash
      AND p_now <= v_session.rotate_time + p_grace_seconds * interval '1 second' THEN
        RETURN CASE WHEN v_session.sender = p_sender THEN 'new' ELSE 'moved' END;
    END IF;
    UPDATE session s SET state = 'COMPROMISED', end_time = p_now
     WHERE s.customer_id = p_customer AND s.session_id = p_session;
    PERFORM event_append(p_customer, 'session.compromised', p_session, '{}', p_now);
    RETURN 'late';
END $$;

-- One conditional update decides which of several refreshes is the first.  'new': rotated, or repeated soon enough;
-- 'late': the token had been replaced, and this ends the session; 'moved': another device was faster; 'ended',
-- 'expired', 'gone'.  `p_generation` is the presented token's.
CREATE OR REPLACE FUNCTION session_rotate(p_customer uuid, p_key request_key, p_session uuid, p_generation integer,
                                          p_presented_hash bytea, p_sender text, p_token_hash bytea,
                                          p_grace_seconds bigint, p_answer bytea, p_now timestamptz,
                                          OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT q.outcome, q.answer, q.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_session, p_answer, p_now) q;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    UPDATE session s
       SET generation = p_generation + 1, token_hash = p_token_hash, sender = p_sender, rotate_time = p_now
     WHERE s.customer_id = p_customer AND s.session_id = p_session AND s.state = 'ACTIVE'
       AND s.generation = p_generation AND s.token_hash = p_presented_hash AND s.expire_time > p_now;
    IF FOUND THEN
        RETURN;
    END IF;
    outcome := session_repeat(p_customer, p_session, p_generation, p_sender, p_token_hash, p_grace_seconds, p_now);
    IF outcome <> 'new' THEN
        PERFORM request_forget(p_customer, p_key);
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION session_rotate(uuid, request_key, uuid, integer, bytea, text, bytea, bigint, bytea,
                                         timestamptz) TO dues_service;

-- Ends the session, or with p_all every living session of the customer.  The answer says how many; 'changed': it is
-- another number than p_count, so p_answer is wrong and nothing was done.  'ended': the session had ended before.
-- A run again with the same p_end finds what it ended.
CREATE OR REPLACE FUNCTION session_end(p_customer uuid, p_key request_key, p_session uuid, p_all boolean, p_count integer,
                                       p_end uuid, p_answer bytea, p_now timestamptz,
                                       OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_living uuid[];
BEGIN
    SELECT q.outcome, q.answer, q.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_session, p_answer, p_now) q;
    IF outcome <> 'new'
       OR EXISTS (SELECT 1 FROM session s WHERE s.customer_id = p_customer AND s.session_id = p_session AND s.end_id = p_end) THEN
        RETURN;
    END IF;
    SELECT coalesce(array_agg(l.session_id), '{}') INTO v_living
      FROM (SELECT s.session_id FROM session s
             WHERE s.customer_id = p_customer AND (p_all OR s.session_id = p_session)
               AND s.state = 'ACTIVE' AND s.expire_time > p_now
             ORDER BY s.session_id FOR UPDATE) l;
    IF NOT p_session = ANY (v_living) THEN
        outcome := 'ended';
    ELSIF cardinality(v_living) <> p_count THEN
        outcome := 'changed';
    ELSE
        UPDATE session s SET state = 'LOGGED_OUT', end_time = p_now, end_id = p_end
         WHERE s.customer_id = p_customer AND s.session_id = ANY (v_living);
        RETURN;
    END IF;
    PERFORM request_forget(p_customer, p_key);
END $$;
GRANT EXECUTE ON FUNCTION session_end(uuid, request_key, uuid, boolean, integer, uuid, bytea, timestamptz) TO dues_service;
