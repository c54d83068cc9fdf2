-- What the gateway moved counts, when two operators have confirmed that it is not what it was asked for.
SET search_path = dues;

-- By how much more (less: negative) than `amount` was taken or is held; NULL, as nearly always: by nothing.
ALTER TABLE payment ADD COLUMN amount_beyond bigint;

-- What was taken, is held and is on its way is what was asked for, in each state, but for what the gateway went beyond;
-- refunds stay within what was taken.
CREATE OR REPLACE FUNCTION payment_adds_up(p_payment payment) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    v_whole bigint := p_payment.amount + coalesce(p_payment.amount_beyond, 0);
BEGIN
    RETURN p_payment.amount_refunded >= 0 AND p_payment.amount_refund_pending >= 0 AND p_payment.amount_disputed >= 0
        AND p_payment.amount_refunded + p_payment.amount_refund_pending <= p_payment.amount_captured
        AND p_payment.amount_capturable >= 0 AND p_payment.amount_capture_pending >= 0
        AND CASE WHEN p_payment.state = 'REQUIRES_CAPTURE'
                 THEN p_payment.is_manual AND p_payment.amount_captured >= 0 AND p_payment.amount_captured < v_whole
                      AND p_payment.amount_captured + p_payment.amount_capturable + p_payment.amount_capture_pending = v_whole
                 WHEN p_payment.amount_capturable + p_payment.amount_capture_pending > 0 THEN false
                 WHEN p_payment.state <> 'SUCCEEDED' THEN p_payment.amount_captured = 0
                 WHEN p_payment.is_manual THEN p_payment.amount_captured BETWEEN 1 AND v_whole
                 ELSE p_payment.amount_captured = v_whole END;
END $$;

-- Where money in suspense may belong: lost with a dispute, too.
ALTER DOMAIN incident_account DROP CONSTRAINT incident_account_known;
ALTER DOMAIN incident_account ADD CONSTRAINT incident_account_known
    CHECK (VALUE IN ('', 'revenue', 'customer_receivable', 'refunds', 'fees', 'disputes', 'dispute_losses', 'bad_debt',
                     'gateway_clearing'));
