-- Payments in full: authorized now and captured later, waiting for the customer, canceled; refunds that fail after they
-- had succeeded.
SET search_path = dues;

ALTER DOMAIN payment_state DROP CONSTRAINT payment_state_known;
ALTER DOMAIN payment_state ADD CONSTRAINT payment_state_known
    CHECK (VALUE IN ('PROCESSING', 'REQUIRES_ACTION', 'REQUIRES_CAPTURE', 'SUCCEEDED', 'FAILED', 'CANCELED'));
ALTER DOMAIN attempt_operation DROP CONSTRAINT attempt_operation_known;
ALTER DOMAIN attempt_operation ADD CONSTRAINT attempt_operation_known
    CHECK (VALUE IN ('CHARGE', 'AUTHORIZE', 'CAPTURE', 'VOID', 'REFUND'));

ALTER TABLE payment
    ADD COLUMN is_manual boolean NOT NULL DEFAULT false,       -- authorized first, captured by a later call
    ADD COLUMN amount_capturable bigint NOT NULL DEFAULT 0,    -- held at the gateway and free to be captured
    ADD COLUMN amount_capture_pending bigint NOT NULL DEFAULT 0, -- reserved by captures or a void on their way
    ADD COLUMN authorization_expire_time timestamptz;          -- of what is held, in the customer's time

-- What was taken, is held and is on its way is what was asked for, in each state; refunds stay within what was taken.
ALTER TABLE payment DROP CONSTRAINT payment_adds_up;
DROP FUNCTION payment_adds_up(text, bigint, bigint, bigint, bigint);
CREATE FUNCTION payment_adds_up(p_state text, p_is_manual boolean, p_amount bigint, p_captured bigint, p_capturable bigint,
                                p_capture_pending bigint, p_refunded bigint, p_refund_pending bigint) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN p_refunded >= 0 AND p_refund_pending >= 0 AND p_refunded + p_refund_pending <= p_captured
        AND p_capturable >= 0 AND p_capture_pending >= 0
        AND CASE WHEN p_state = 'REQUIRES_CAPTURE'
                 THEN p_is_manual AND p_captured >= 0 AND p_captured < p_amount
                      AND p_captured + p_capturable + p_capture_pending = p_amount
                 WHEN p_capturable + p_capture_pending > 0 THEN false
                 WHEN p_state <> 'SUCCEEDED' THEN p_captured = 0
                 WHEN p_is_manual THEN p_captured BETWEEN 1 AND p_amount
                 ELSE p_captured = p_amount END;
END $$;
ALTER TABLE payment
    ADD CONSTRAINT payment_adds_up
        CHECK (payment_adds_up(state, is_manual, amount, amount_captured, amount_capturable, amount_capture_pending,
                               amount_refunded, amount_refund_pending));

-- charge_transaction holds what a capture, a void or a refund acts on.
ALTER TABLE attempt
    ADD COLUMN is_final boolean NOT NULL DEFAULT false,         -- operation CAPTURE: the rest is let go of
    ADD COLUMN network_decline_code text NOT NULL DEFAULT '',   -- the card network's two characters
    ADD COLUMN advice text NOT NULL DEFAULT '';

-- What the customer must do for a payment in state REQUIRES_ACTION; gone when it is over.
CREATE TABLE payment_action (
    customer_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    action_sealed bytea NOT NULL,       -- redirect URL or client secret, sealed by the server
    expire_time timestamptz NOT NULL,   -- in the customer's time: then it is given up
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, payment_id),
    FOREIGN KEY (customer_id, payment_id) REFERENCES payment (customer_id, payment_id)
);

ALTER TABLE incident
    DROP CONSTRAINT incident_kind_known,
    ADD CONSTRAINT incident_kind_known
        CHECK (kind IN ('opposite_evidence', 'gateway_mismatch', 'duplicate_transaction', 'unknown_too_long',
                        'evidence_after_manual', 'release_refused'));

-- Order of the fields: charge_record and SETTLEMENT_MORE in payment/, CAPTURE_PARAMS in payment/capture.h.
ALTER TYPE charge_intent ADD ATTRIBUTE is_manual boolean;
ALTER TYPE settlement
    ADD ATTRIBUTE network_decline_code text,
    ADD ATTRIBUTE advice text,
    ADD ATTRIBUTE action_sealed bytea,
    ADD ATTRIBUTE action_expire_time timestamptz,
    ADD ATTRIBUTE authorization_expire_time timestamptz;
ALTER TYPE payment_result
    ADD ATTRIBUTE is_manual boolean,
    ADD ATTRIBUTE amount_capturable bigint,
    ADD ATTRIBUTE amount_capture_pending bigint,
    ADD ATTRIBUTE authorization_expire_time timestamptz;

CREATE TYPE capture_intent AS (
    attempt_id uuid, payment_id uuid, operation text, amount bigint, is_final boolean, gateway_key text, lease_ms bigint
);
-- The payment as whoever decides has read it: a step that follows from it is done only while it still stands so.
CREATE TYPE payment_known AS (
    state text, amount_captured bigint, amount_capturable bigint, amount_capture_pending bigint, amount_refunded bigint
);
