-- Obligations: what must happen next.

-- Adds one, once: the same business key again changes nothing.  `p_on_clock` says whether it falls due
-- in the customer's test clock (business time) or always in wall time (talking to a gateway).
-- Epochs begin where no earlier row of the key has been: who still holds one that was done and is owed anew (the end
-- of a dunning, after a retry) must not finish the new one.
-- It says whether it was new, so that a step may ask for it as for a value: PERFORM is a query each time.
DROP FUNCTION IF EXISTS obligation_add(uuid, text, text, uuid, timestamptz, boolean, timestamptz);
CREATE OR REPLACE FUNCTION obligation_add(p_customer uuid, p_kind text, p_business_key text, p_subject uuid,
                                          p_due timestamptz, p_on_clock boolean, p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    v_epoch bigint := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
BEGIN
    IF p_on_clock THEN
        INSERT INTO obligation (customer_id, kind, business_key, bucket, subject_id, due_time, test_clock_id, epoch, create_time)
        SELECT p_customer, p_kind, p_business_key, get_byte(uuid_send(p_customer), 15) % 64, p_subject, p_due, c.test_clock_id,
               v_epoch, p_now
          FROM customer c WHERE c.customer_id = p_customer
        ON CONFLICT ON CONSTRAINT obligation_pkey DO NOTHING;
        RETURN FOUND;
    END IF;
    INSERT INTO obligation (customer_id, kind, business_key, bucket, subject_id, due_time, epoch, create_time)
    VALUES (p_customer, p_kind, p_business_key, get_byte(uuid_send(p_customer), 15) % 64, p_subject, p_due, v_epoch, p_now)
    ON CONFLICT ON CONSTRAINT obligation_pkey DO NOTHING;
    RETURN FOUND;
END $$;

-- False: the lease was lost, somebody else runs it or has finished it.
CREATE OR REPLACE FUNCTION obligation_finish(p_customer uuid, p_kind text, p_business_key text, p_epoch bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    DELETE FROM obligation WHERE customer_id = p_customer AND kind = p_kind AND business_key = p_business_key
       AND epoch = p_epoch;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION obligation_finish(uuid, text, text, bigint) TO dues_service;

CREATE OR REPLACE FUNCTION obligation_move(p_customer uuid, p_kind text, p_business_key text, p_epoch bigint,
                                           p_due timestamptz, p_failure text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE obligation
       SET due_time = p_due, lease_until = NULL, last_failure = p_failure,
           failure_count = CASE WHEN p_failure IS NULL THEN 0 ELSE failure_count + 1 END
     WHERE customer_id = p_customer AND kind = p_kind AND business_key = p_business_key AND epoch = p_epoch;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION obligation_move(uuid, text, text, bigint, timestamptz, text) TO dues_service;

-- Compare-and-set of lease and epoch; NULL: somebody else was first.  The same claim again, after a lost COMMIT,
-- answers as the first time.
CREATE OR REPLACE FUNCTION obligation_claim(p_customer uuid, p_kind text, p_business_key text, p_epoch bigint,
                                            p_lease_ms bigint, p_claim uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
    v_until timestamptz := v_now + p_lease_ms * interval '1 millisecond';
    v_epoch bigint;
BEGIN
    UPDATE obligation SET epoch = p_epoch + 1, lease_until = v_until, claim_id = p_claim
     WHERE customer_id = p_customer AND kind = p_kind AND business_key = p_business_key
       AND (epoch = p_epoch AND (lease_until IS NULL OR lease_until < v_now)
            OR epoch = p_epoch + 1 AND claim_id = p_claim)
    RETURNING epoch INTO v_epoch;
    RETURN v_epoch;
END $$;
GRANT EXECUTE ON FUNCTION obligation_claim(uuid, text, text, bigint, bigint, uuid) TO dues_service;
