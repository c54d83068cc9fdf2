-- Written by the owner role alone (`duesd revoke`); the service only reads.  A version is one above the highest that has
-- committed and there is each only once, so of two changes at the same time one fails and is made again, and whoever has
-- seen a version has seen all below it.
CREATE OR REPLACE FUNCTION revoked_key_add(p_spki_hash bytea, p_reason text, p_limit bigint, p_now timestamptz)
RETURNS TABLE (outcome text)
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM revoked_key k WHERE k.spki_hash = p_spki_hash AND k.withdraw_time IS NULL) THEN
        outcome := 'present';
    ELSIF (SELECT count(*) FROM revoked_key k WHERE k.spki_hash <> p_spki_hash) >= p_limit THEN
        outcome := 'full';
    ELSE
        INSERT INTO revoked_key AS k (spki_hash, version, reason, revoke_time)
        SELECT p_spki_hash, coalesce(max(o.version), 0) + 1, p_reason, p_now FROM revoked_key o
        ON CONFLICT ON CONSTRAINT revoked_key_pkey DO UPDATE
        SET version = excluded.version, reason = excluded.reason, revoke_time = excluded.revoke_time, withdraw_time = NULL;
        outcome := 'revoked';
    END IF;
    RETURN NEXT;
END $$;

CREATE OR REPLACE FUNCTION revoked_key_withdraw(p_spki_hash bytea, p_now timestamptz) RETURNS TABLE (outcome text)
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE revoked_key k
    SET version = (SELECT max(o.version) + 1 FROM revoked_key o), withdraw_time = p_now
    WHERE k.spki_hash = p_spki_hash AND k.withdraw_time IS NULL;
    outcome := CASE WHEN FOUND THEN 'withdrawn' ELSE 'absent' END;
    RETURN NEXT;
END $$;
