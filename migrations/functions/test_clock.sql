-- Test clocks: time that stands still until it is advanced.  The guard of a running advance is the clock's epoch.

CREATE OR REPLACE FUNCTION test_clock_create(p_clock uuid, p_key request_key, p_clock_time timestamptz, p_answer bytea,
                                             p_now timestamptz,
                                             OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_clock, p_key, p_clock, p_answer, p_now) r;
    IF outcome = 'new' THEN
        INSERT INTO test_clock (test_clock_id, clock_time, create_time) VALUES (p_clock, p_clock_time, p_now)
        ON CONFLICT ON CONSTRAINT test_clock_pkey DO NOTHING;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION test_clock_create(uuid, request_key, timestamptz, bytea, timestamptz) TO dues_service;

-- Outcomes: 'claimed', 'busy', 'absent', 'backwards'.  An advance that a crash cut short is taken over when its
-- lease is over, and then goes at least as far as it was going.  The same claim again, after a lost COMMIT, answers
-- as the first time.
CREATE OR REPLACE FUNCTION test_clock_claim(p_clock uuid, p_target timestamptz, p_lease_ms bigint, p_claim uuid,
                                            OUT outcome text, OUT epoch bigint, OUT clock_time timestamptz,
                                            OUT target_time timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_row test_clock%ROWTYPE;
    v_now timestamptz := clock_timestamp();
    v_until timestamptz := v_now + p_lease_ms * interval '1 millisecond';
BEGIN
    SELECT * INTO v_row FROM test_clock t WHERE t.test_clock_id = p_clock AND t.delete_time IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'absent';
        RETURN;
    END IF;
    clock_time := v_row.clock_time;
    IF v_row.target_time IS NOT NULL AND v_row.claim_id = p_claim THEN
        outcome := 'claimed';
        epoch := v_row.epoch;
        target_time := v_row.target_time;
        RETURN;
    END IF;
    IF v_row.target_time IS NOT NULL AND v_row.lease_until >= v_now THEN
        outcome := 'busy';
        RETURN;
    END IF;
    IF p_target < v_row.clock_time THEN
        outcome := 'backwards';
        RETURN;
    END IF;
    target_time := greatest(p_target, v_row.target_time);
    epoch := v_row.epoch + 1;
    UPDATE test_clock t
       SET target_time = test_clock_claim.target_time, epoch = test_clock_claim.epoch, lease_until = v_until,
           claim_id = p_claim
     WHERE t.test_clock_id = p_clock;
    outcome := 'claimed';
END $$;
GRANT EXECUTE ON FUNCTION test_clock_claim(uuid, timestamptz, bigint, uuid) TO dues_service;

-- Moves the clock on, and its lease; false: the advance is somebody else's now.
CREATE OR REPLACE FUNCTION test_clock_move(p_clock uuid, p_epoch bigint, p_time timestamptz, p_lease_ms bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_until timestamptz := clock_timestamp() + p_lease_ms * interval '1 millisecond';
BEGIN
    UPDATE test_clock t SET clock_time = greatest(t.clock_time, p_time), lease_until = v_until
     WHERE t.test_clock_id = p_clock AND t.epoch = p_epoch AND t.target_time IS NOT NULL AND p_time <= t.target_time;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION test_clock_move(uuid, bigint, timestamptz, bigint) TO dues_service;

-- The advance is over: at its target, or where `p_reached` says it got stuck.
CREATE OR REPLACE FUNCTION test_clock_stop(p_clock uuid, p_epoch bigint, p_reached boolean) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE test_clock t
       SET clock_time = CASE WHEN p_reached THEN t.target_time ELSE t.clock_time END, target_time = NULL,
           lease_until = NULL
     WHERE t.test_clock_id = p_clock AND t.epoch = p_epoch AND t.target_time IS NOT NULL;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION test_clock_stop(uuid, bigint, boolean) TO dues_service;

-- Lets go of a running advance, for whoever looks next.
CREATE OR REPLACE FUNCTION test_clock_release(p_clock uuid, p_epoch bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE test_clock t SET lease_until = '-infinity' WHERE t.test_clock_id = p_clock AND t.epoch = p_epoch;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION test_clock_release(uuid, bigint) TO dues_service;

-- The answer of an advance, for its repetitions.
CREATE OR REPLACE FUNCTION test_clock_answer(p_clock uuid, p_key request_key, p_answer bytea, p_now timestamptz,
                                             OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_clock, p_key, p_clock, p_answer, p_now) r;
END $$;
GRANT EXECUTE ON FUNCTION test_clock_answer(uuid, request_key, bytea, timestamptz) TO dues_service;

-- Outcomes: those of request_record, 'absent', 'busy'.  The row stays, because its customers' time stands still;
-- what they owe in it is never due again.  Run again after a lost COMMIT it finds its own p_now.
CREATE OR REPLACE FUNCTION test_clock_delete(p_clock uuid, p_key request_key, p_answer bytea, p_now timestamptz,
                                             OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_row test_clock%ROWTYPE;
BEGIN
    SELECT * INTO v_row FROM test_clock t WHERE t.test_clock_id = p_clock FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'absent';
        RETURN;
    END IF;
    IF v_row.delete_time IS NULL AND v_row.target_time IS NOT NULL THEN
        outcome := 'busy';
        RETURN;
    END IF;
    IF v_row.delete_time <> p_now
       AND NOT request_is_known(p_clock, p_key) THEN
        outcome := 'absent';
        RETURN;
    END IF;
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_clock, p_key, p_clock, p_answer, p_now) r;
    IF outcome = 'new' THEN
        UPDATE test_clock t SET delete_time = p_now WHERE t.test_clock_id = p_clock;
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION test_clock_delete(uuid, request_key, bytea, timestamptz) TO dues_service;
