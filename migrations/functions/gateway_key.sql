-- Gateways' keys (src/vault/gateway_keys.c).

-- The next key of the name; of those before `p_kept` - 1 stay.  'raced': somebody else has put one meanwhile, and this one,
-- whose generation is sealed with it, is not there.  The same again, after a lost COMMIT, answers as the first time.
CREATE OR REPLACE FUNCTION gateway_key_put(p_name text, p_generation integer, p_sealed_key bytea, p_hint text, p_kept integer,
                                           p_now timestamptz) RETURNS TABLE (outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO gateway_key AS k (name, generation, sealed_key, hint, create_time)
    SELECT p_name, p_generation, p_sealed_key, p_hint, p_now
     WHERE p_generation = 1 + coalesce((SELECT max(g.generation) FROM gateway_key g WHERE g.name = p_name), 0)
    ON CONFLICT ON CONSTRAINT gateway_key_pkey DO NOTHING;
    IF NOT EXISTS (SELECT FROM gateway_key k
                    WHERE k.name = p_name AND k.generation = p_generation AND k.sealed_key = p_sealed_key) THEN
        outcome := 'raced';
        RETURN NEXT;
        RETURN;
    END IF;
    DELETE FROM gateway_key k WHERE k.name = p_name AND k.generation <= p_generation - p_kept;
    outcome := 'taken';
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION gateway_key_put(text, integer, bytea, text, integer, timestamptz) TO dues_service;

-- From now on the newest alone counts.
CREATE OR REPLACE FUNCTION gateway_key_end(p_name text) RETURNS TABLE (ended bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    DELETE FROM gateway_key k
     WHERE k.name = p_name AND k.generation < (SELECT max(g.generation) FROM gateway_key g WHERE g.name = p_name);
    GET DIAGNOSTICS ended = ROW_COUNT;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION gateway_key_end(text) TO dues_service;
