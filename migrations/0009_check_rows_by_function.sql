-- The rest of what 0008 began: the rules of a request's columns are their types', and a rule about several columns is a
-- function.  PostgreSQL parses and plans the expressions of a table's CHECKs for each statement that writes to it; one call
-- of a function with a few columns is the least of it.
SET search_path = dues;

CREATE DOMAIN recorded_request_id AS text CONSTRAINT recorded_request_id_short CHECK (length(VALUE) BETWEEN 1 AND 64);
CREATE DOMAIN recorded_request_hash AS bytea CONSTRAINT recorded_request_hash_size CHECK (length(VALUE) = 32);
ALTER TABLE recorded_request
    DROP CONSTRAINT recorded_request_id_short, ALTER COLUMN request_id TYPE recorded_request_id,
    DROP CONSTRAINT recorded_request_hash_size, ALTER COLUMN request_hash TYPE recorded_request_hash;

-- Captured is the whole amount, and only when it succeeded; refunds stay within it.
CREATE FUNCTION payment_adds_up(p_state text, p_amount bigint, p_captured bigint, p_refunded bigint, p_refund_pending bigint)
RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN p_captured = CASE WHEN p_state = 'SUCCEEDED' THEN p_amount ELSE 0 END
        AND p_refunded >= 0 AND p_refund_pending >= 0 AND p_refunded + p_refund_pending <= p_captured;
END $$;
ALTER TABLE payment
    DROP CONSTRAINT payment_captured_when_succeeded,
    DROP CONSTRAINT payment_refunds_within_capture,
    ADD CONSTRAINT payment_adds_up
        CHECK (payment_adds_up(state, amount, amount_captured, amount_refunded, amount_refund_pending));

CREATE FUNCTION attempt_names_its_refund(p_operation text, p_refund uuid) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (p_operation = 'REFUND') = (p_refund IS NOT NULL);
END $$;
ALTER TABLE attempt
    DROP CONSTRAINT attempt_refund_named,
    ADD CONSTRAINT attempt_refund_named CHECK (attempt_names_its_refund(operation, refund_id));
