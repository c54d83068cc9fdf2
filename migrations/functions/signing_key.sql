-- The server's own keys.  Two servers that start at once both offer one; the first to commit wins, and both then
-- read that.
CREATE OR REPLACE FUNCTION signing_key_offer(p_kind text, p_generation integer, p_key_id text, p_sealed_key bytea,
                                             p_certificate_pem text, p_now timestamptz) RETURNS TABLE (outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO signing_key AS k (kind, generation, key_id, sealed_key, certificate_pem, create_time)
    VALUES (p_kind, p_generation, p_key_id, p_sealed_key, p_certificate_pem, p_now)
    ON CONFLICT ON CONSTRAINT signing_key_pkey DO NOTHING;
    outcome := CASE WHEN FOUND THEN 'taken' ELSE 'present' END;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION signing_key_offer(text, integer, text, bytea, text, timestamptz) TO dues_service;
