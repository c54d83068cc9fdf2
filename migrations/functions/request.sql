-- Recorded requests: the row is written in the same commit as the effect.

-- 'new': the caller of this function goes on; 'replay': `answer` is the first answer; 'running': the
-- first request's money is in flight; 'reused': another request under the same id.
-- A key without request_id records nothing and is always 'new'.
CREATE OR REPLACE FUNCTION request_record(p_customer uuid, p_key request_key, p_object uuid, p_answer bytea,
                                          p_now timestamptz,
                                          OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql AS $$
DECLARE
    v_row recorded_request%ROWTYPE;
BEGIN
    IF p_key.request_id IS NULL THEN
        outcome := 'new';
        object_id := p_object;
        RETURN;
    END IF;
    -- The row that the INSERT meets may be forgotten before the SELECT (request_forget): then it is this one's turn again.
    FOR v_try IN 1..10 LOOP
        INSERT INTO recorded_request AS r (customer_id, caller, method, request_id, request_hash, object_id, answer, create_time)
        VALUES (p_customer, p_key.caller, p_key.method, p_key.request_id, p_key.request_hash, p_object, p_answer, p_now)
        ON CONFLICT ON CONSTRAINT recorded_request_pkey DO NOTHING;
        IF FOUND THEN
            outcome := 'new';
            object_id := p_object;
            RETURN;
        END IF;
        SELECT * INTO v_row FROM recorded_request r
         WHERE r.customer_id = p_customer AND r.caller = p_key.caller AND r.method = p_key.method
           AND r.request_id = p_key.request_id;
        EXIT WHEN FOUND;
    END LOOP;
    IF v_row.customer_id IS NULL THEN
        RAISE serialization_failure USING MESSAGE = 'the request is recorded and forgotten again and again';
    END IF;
    object_id := v_row.object_id;
    IF v_row.request_hash <> p_key.request_hash THEN
        outcome := 'reused';
    ELSIF v_row.answer IS NULL THEN
        outcome := 'running';
    ELSE
        outcome := 'replay';
        answer := v_row.answer;
    END IF;
END $$;

-- The definitive answer of a request whose money was in flight.  Written once.  False: nobody waits for it.
DROP FUNCTION IF EXISTS request_answer(uuid, uuid, text, bytea);
CREATE OR REPLACE FUNCTION request_answer(p_customer uuid, p_object uuid, p_method text, p_answer bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE recorded_request r SET answer = p_answer
     WHERE r.customer_id = p_customer AND r.object_id = p_object AND r.method = p_method AND r.answer IS NULL;
    RETURN FOUND;
END $$;

-- Was there such a request before?  For rules that a repeat need not pass again: request_record then tells what it is.
CREATE OR REPLACE FUNCTION request_is_known(p_customer uuid, p_key request_key) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RETURN EXISTS (SELECT FROM recorded_request r
                    WHERE r.customer_id = p_customer AND r.caller = p_key.caller AND r.method = p_key.method
                      AND r.request_id = p_key.request_id);
END $$;

-- The record of a request that was recorded by this very step and then refused.
CREATE OR REPLACE FUNCTION request_forget(p_customer uuid, p_key request_key) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM recorded_request r
     WHERE r.customer_id = p_customer AND r.caller = p_key.caller AND r.method = p_key.method
       AND r.request_id = p_key.request_id;
END $$;
