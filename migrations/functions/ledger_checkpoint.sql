-- Checkpoints of the ledger: the heads of the chains that grew, listed, hashed, chained to the checkpoint before, and signed
-- by the server.  Whoever rewrites a chain and all its hashes still cannot make the signature of what it was.

-- What there is to do: the number of the newest checkpoint, one that waits for its signature (a server went away between
-- drawing and signing), how far all is sealed, and up to `p_limit` customers whose entries of later transactions are not.
-- `seen_until` is what this very look saw whole: a transaction below its snapshot's oldest is either in sight or was never
-- committed, so the next look need not go behind it.  `known_until` NULL: not known, all customers are to be walked; so
-- after a restore from a dump, whose ids of transactions are another cluster's.
CREATE OR REPLACE FUNCTION ledger_checkpoint_look(p_limit integer)
RETURNS TABLE (newest bigint, unsigned_number bigint, known_until bigint, seen_until bigint, customers text,
               customer_count bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_end bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
BEGIN
    SELECT coalesce(max(k.number), 0) INTO newest FROM ledger_checkpoint k;
    SELECT min(k.number) INTO unsigned_number FROM ledger_checkpoint k WHERE k.signature IS NULL;
    SELECT k.seen_until INTO known_until FROM ledger_checkpoint k WHERE k.seen_until IS NOT NULL ORDER BY k.number DESC LIMIT 1;
    seen_until := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    IF known_until > v_end THEN
        known_until := NULL;
    END IF;
    -- First what is new, by the index on `recorded`: a limit over DISTINCT would be planned as a walk in customers' order.
    WITH lately AS MATERIALIZED (
        SELECT e.customer_id, e.position FROM ledger_entry e WHERE e.recorded >= known_until AND e.recorded < v_end
    )
    SELECT coalesce(string_agg(c.customer_id::text, ','), ''), count(*) INTO customers, customer_count
      FROM (SELECT n.customer_id
              FROM (SELECT l.customer_id, max(l.position) AS position FROM lately l GROUP BY l.customer_id) n
             WHERE NOT EXISTS (SELECT FROM ledger_sealed_head h
                                WHERE h.customer_id = n.customer_id AND h.position >= n.position)
             LIMIT p_limit) c;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ledger_checkpoint_look(integer) TO dues_service;

-- Draws checkpoint `p_number`, the one after the newest, over those of the customers whose heads are not sealed.  Its key
-- makes it happen once: whoever draws the same number at the same time waits, and gets what the other drew, as does this
-- very step run again after a lost COMMIT; `is_new` is false then.  `p_seen_until` is kept when all was drawn by it; then
-- there is a checkpoint also without heads, so that the next look knows.  No row: nothing to seal.
CREATE OR REPLACE FUNCTION ledger_checkpoint_draw(p_number bigint, p_customers text, p_seen_until bigint, p_now timestamptz)
RETURNS TABLE (is_new boolean, number bigint, draw_time timestamptz, head_count bigint, heads_hash bytea, previous_hash bytea,
               hash bytea, signature bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_customers uuid[] := string_to_array(p_customers, ',')::uuid[];
    v_zeros bytea := '\x0000000000000000000000000000000000000000000000000000000000000000';
    v_previous bytea := v_zeros;
    v_count bigint;
    v_heads bytea;
BEGIN
    INSERT INTO ledger_checkpoint (number, draw_time, head_count, heads_hash, previous_hash, hash, seen_until)
    VALUES (p_number, p_now, 0, v_zeros, v_zeros, v_zeros, p_seen_until)
    ON CONFLICT ON CONSTRAINT ledger_checkpoint_pkey DO NOTHING;
    is_new := FOUND;
    IF is_new THEN
        INSERT INTO ledger_sealed_head (customer_id, position, hash, checkpoint_number)
        SELECT c.customer_id, c.ledger_count, substr(c.ledger_tail, length(c.ledger_tail) - 31), p_number
          FROM customer c
         WHERE c.customer_id = ANY (v_customers) AND c.ledger_count > 0
           AND NOT EXISTS (SELECT FROM ledger_sealed_head h
                            WHERE h.customer_id = c.customer_id AND h.position >= c.ledger_count);
        SELECT count(*), sha256(coalesce(string_agg(uuid_send(h.customer_id) || int8send(h.position) || h.hash, ''
                                                    ORDER BY h.customer_id), ''))
          INTO v_count, v_heads
          FROM ledger_sealed_head h WHERE h.checkpoint_number = p_number;
        IF v_count = 0 AND p_seen_until IS NULL THEN
            DELETE FROM ledger_checkpoint k WHERE k.number = p_number;
            RETURN;
        END IF;
        IF p_number > 1 THEN
            SELECT k.hash INTO STRICT v_previous FROM ledger_checkpoint k WHERE k.number = p_number - 1;
        END IF;
        UPDATE ledger_checkpoint k
           SET head_count = v_count, heads_hash = v_heads, previous_hash = v_previous,
               hash = sha256(v_previous || int8send(p_number) || timestamptz_send(p_now) || int8send(v_count) || v_heads)
         WHERE k.number = p_number;
    END IF;
    SELECT k.number, k.draw_time, k.head_count, k.heads_hash, k.previous_hash, k.hash, k.signature
      INTO number, draw_time, head_count, heads_hash, previous_hash, hash, signature
      FROM ledger_checkpoint k WHERE k.number = p_number;
    RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION ledger_checkpoint_draw(bigint, text, bigint, timestamptz) TO dues_service;

-- Once: a signature that is there stays.
CREATE OR REPLACE FUNCTION ledger_checkpoint_sign(p_number bigint, p_key_id text, p_signature bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    UPDATE ledger_checkpoint k SET key_id = p_key_id, signature = p_signature
     WHERE k.number = p_number AND k.signature IS NULL;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ledger_checkpoint_sign(bigint, text, bytea) TO dues_service;

-- A walk through all chains came to its end.
CREATE OR REPLACE FUNCTION ledger_verification_add(p_start timestamptz, p_finish timestamptz, p_customers bigint,
                                                   p_entries bigint, p_findings bigint, p_checkpoint bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO ledger_verification (finish_time, start_time, customer_count, entry_count, finding_count, checkpoint_number)
    VALUES (p_finish, p_start, p_customers, p_entries, p_findings, p_checkpoint)
    ON CONFLICT ON CONSTRAINT ledger_verification_pkey DO NOTHING;
    RETURN FOUND;
END $$;
GRANT EXECUTE ON FUNCTION ledger_verification_add(timestamptz, timestamptz, bigint, bigint, bigint, bigint) TO dues_service;
