-- Data keys and the keys that wrap them (src/vault/).

-- The first KEK of a database: of servers that start together one wins, and all read the table afterwards.
CREATE OR REPLACE FUNCTION kek_found(p_key_id bytea, p_now timestamptz) RETURNS TABLE (outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO key_encryption_key (key_id, generation, create_time) VALUES (p_key_id, 1, p_now)
    ON CONFLICT DO NOTHING;
    outcome := CASE WHEN FOUND THEN 'taken' ELSE 'present' END;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION kek_found(bytea, timestamptz) TO dues_service;

-- A new KEK in place of p_before.  Whoever is storing a key that p_before wrapped is waited for (data_key_offer holds
-- that row), so what is counted afterwards is all there is.  'raced': p_before is not the one in use.
CREATE OR REPLACE FUNCTION kek_succeed(p_key_id bytea, p_before bytea, p_bridge bytea, p_now timestamptz)
RETURNS TABLE (outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_generation integer;
BEGIN
    IF EXISTS (SELECT FROM key_encryption_key k WHERE k.key_id = p_key_id AND k.retire_time IS NULL) THEN
        outcome := 'present';
        RETURN NEXT;
        RETURN;
    END IF;
    UPDATE key_encryption_key k SET retire_time = p_now, bridge = NULL
     WHERE k.key_id = p_before AND k.retire_time IS NULL
    RETURNING k.generation INTO v_generation;
    IF NOT FOUND OR EXISTS (SELECT FROM key_encryption_key k WHERE k.key_id = p_key_id) THEN
        RAISE EXCEPTION 'another rotation was faster, or the key has been in use before'
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'key_encryption_key_raced';
    END IF;
    INSERT INTO key_encryption_key (key_id, generation, bridge, create_time)
    VALUES (p_key_id, v_generation + 1, p_bridge, p_now);
    outcome := 'taken';
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION kek_succeed(bytea, bytea, bytea, timestamptz) TO dues_service;

-- The end of a rotation: the KEK can no longer be had from the database.
CREATE OR REPLACE FUNCTION kek_close(p_key_id bytea) RETURNS TABLE (outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE key_encryption_key k SET bridge = NULL WHERE k.key_id = p_key_id AND k.bridge IS NOT NULL;
    outcome := CASE WHEN FOUND THEN 'closed' ELSE 'present' END;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION kek_close(bytea) TO dues_service;

-- True while the KEK is the one in use, which it then stays until this transaction ends.
CREATE OR REPLACE FUNCTION kek_hold(p_wrapped_key bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM key_encryption_key k
      WHERE k.key_id = substring(p_wrapped_key FROM 2 FOR 8) AND k.retire_time IS NULL
        FOR SHARE;
    RETURN FOUND;
END $$;

-- The customer's data key: the one there is, or this one.  'erased': there will be none; 'retired': wrapped by a KEK
-- that is no longer in use.
CREATE OR REPLACE FUNCTION customer_data_key_offer(p_customer uuid, p_wrapped_key bytea, p_now timestamptz)
RETURNS TABLE (outcome text, wrapped_key bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    SELECT k.wrapped_key INTO wrapped_key FROM customer_data_key k WHERE k.customer_id = p_customer;
    IF NOT FOUND THEN
        IF NOT kek_hold(p_wrapped_key) THEN
            outcome := 'retired';
            RETURN NEXT;
            RETURN;
        END IF;
        INSERT INTO customer_data_key AS k (customer_id, wrapped_key, create_time, wrap_time)
        VALUES (p_customer, p_wrapped_key, p_now, p_now)
        ON CONFLICT ON CONSTRAINT customer_data_key_pkey DO NOTHING;
        SELECT k.wrapped_key INTO STRICT wrapped_key FROM customer_data_key k WHERE k.customer_id = p_customer;
    END IF;
    outcome := CASE WHEN wrapped_key IS NULL THEN 'erased' ELSE 'present' END;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION customer_data_key_offer(uuid, bytea, timestamptz) TO dues_service;

-- The house's data key and root: those there are, or these.
CREATE OR REPLACE FUNCTION house_data_key_offer(p_wrapped_key bytea, p_root bytea, p_now timestamptz)
RETURNS TABLE (outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    IF NOT kek_hold(p_wrapped_key) THEN
        outcome := 'retired';
        RETURN NEXT;
        RETURN;
    END IF;
    INSERT INTO house_data_key (name, wrapped_key, create_time, wrap_time)
    VALUES ('house', p_wrapped_key, p_now, p_now)
    ON CONFLICT ON CONSTRAINT house_data_key_pkey DO NOTHING;
    outcome := 'present';
    IF FOUND THEN
        INSERT INTO house_secret (name, sealed, create_time) VALUES ('root', p_root, p_now);
        outcome := 'taken';
    END IF;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION house_data_key_offer(bytea, bytea, timestamptz) TO dues_service;

-- Keys of many customers wrapped anew: p_batch is customer (16 bytes) and wrapped key (89), one after another.  A key
-- that is no longer wrapped by p_before is left alone, so it may run again and beside another.
CREATE OR REPLACE FUNCTION customer_data_key_rewrap(p_batch bytea, p_before bytea, p_now timestamptz)
RETURNS TABLE (rewrapped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE customer_data_key k SET wrapped_key = b.wrapped_key, wrap_time = p_now
      FROM (SELECT encode(substring(p_batch FROM 105 * n + 1 FOR 16), 'hex')::uuid AS customer_id,
                   substring(p_batch FROM 105 * n + 17 FOR 89) AS wrapped_key
              FROM generate_series(0, length(p_batch) / 105 - 1) n) b
     WHERE k.customer_id = b.customer_id AND k.kek_id = p_before;
    GET DIAGNOSTICS rewrapped = ROW_COUNT;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION customer_data_key_rewrap(bytea, bytea, timestamptz) TO dues_service;

CREATE OR REPLACE FUNCTION house_data_key_rewrap(p_wrapped_key bytea, p_before bytea, p_now timestamptz)
RETURNS TABLE (rewrapped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE house_data_key k SET wrapped_key = p_wrapped_key, wrap_time = p_now
     WHERE k.name = 'house' AND k.kek_id = p_before;
    GET DIAGNOSTICS rewrapped = ROW_COUNT;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION house_data_key_rewrap(bytea, bytea, timestamptz) TO dues_service;

-- Values that the master key itself had sealed, sealed by a data key: each only if it is still as it was read.
CREATE OR REPLACE FUNCTION payment_method_reseal(p_customer uuid, p_method uuid, p_before bytea, p_sealed bytea)
RETURNS TABLE (rewrapped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE payment_method m SET token_sealed = p_sealed
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_method AND m.token_sealed = p_before;
    GET DIAGNOSTICS rewrapped = ROW_COUNT;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION payment_method_reseal(uuid, uuid, bytea, bytea) TO dues_service;

CREATE OR REPLACE FUNCTION recorded_answer_reseal(p_customer uuid, p_caller text, p_method text, p_request_id text,
                                                  p_before bytea, p_sealed bytea)
RETURNS TABLE (rewrapped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE recorded_request r SET answer = p_sealed
     WHERE r.customer_id = p_customer AND r.caller = p_caller AND r.method = p_method AND r.request_id = p_request_id
       AND r.answer = p_before;
    GET DIAGNOSTICS rewrapped = ROW_COUNT;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION recorded_answer_reseal(uuid, text, text, text, bytea, bytea) TO dues_service;

CREATE OR REPLACE FUNCTION signing_key_reseal(p_kind text, p_generation integer, p_before bytea, p_sealed bytea)
RETURNS TABLE (rewrapped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE signing_key k SET sealed_key = p_sealed
     WHERE k.kind = p_kind AND k.generation = p_generation AND k.sealed_key = p_before;
    GET DIAGNOSTICS rewrapped = ROW_COUNT;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION signing_key_reseal(text, integer, bytea, bytea) TO dues_service;
