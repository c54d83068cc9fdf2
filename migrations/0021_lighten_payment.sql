-- What a payment's writes pay for beyond the rows themselves.
SET search_path = dues;

-- The text of a CHECK is read and planned anew by each statement that writes to the table, column by column.  The row as one
-- value is the shortest that it can be.
ALTER TABLE payment DROP CONSTRAINT payment_adds_up;
DROP FUNCTION payment_adds_up(text, boolean, bigint, bigint, bigint, bigint, bigint, bigint);
-- What was taken, is held and is on its way is what was asked for, in each state; refunds stay within what was taken.
CREATE FUNCTION payment_adds_up(p_payment payment) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN p_payment.amount_refunded >= 0 AND p_payment.amount_refund_pending >= 0 AND p_payment.amount_disputed >= 0
        AND p_payment.amount_refunded + p_payment.amount_refund_pending <= p_payment.amount_captured
        AND p_payment.amount_capturable >= 0 AND p_payment.amount_capture_pending >= 0
        AND CASE WHEN p_payment.state = 'REQUIRES_CAPTURE'
                 THEN p_payment.is_manual AND p_payment.amount_captured >= 0 AND p_payment.amount_captured < p_payment.amount
                      AND p_payment.amount_captured + p_payment.amount_capturable + p_payment.amount_capture_pending
                          = p_payment.amount
                 WHEN p_payment.amount_capturable + p_payment.amount_capture_pending > 0 THEN false
                 WHEN p_payment.state <> 'SUCCEEDED' THEN p_payment.amount_captured = 0
                 WHEN p_payment.is_manual THEN p_payment.amount_captured BETWEEN 1 AND p_payment.amount
                 ELSE p_payment.amount_captured = p_payment.amount END;
END $$;
-- What is there is looked at by 0025, while others write.
ALTER TABLE payment ADD CONSTRAINT payment_adds_up CHECK (payment_adds_up(payment)) NOT VALID;

-- A request whose money was in flight is found by what it made.  Without a condition on the answer the answer can be written
-- beside the row, in the room that its page keeps free, without touching an index.
DROP INDEX recorded_request_running;
CREATE INDEX recorded_request_object ON recorded_request (customer_id, object_id);

-- A row of each is written when a charge begins and once more when it ends, and hundreds of charges are under way between the
-- two: their rows fill whole pages before the first is written again.  With room for both versions of all of them the second
-- touches no index, and takes no page of its own.
ALTER TABLE payment SET (fillfactor = 48);
ALTER TABLE attempt SET (fillfactor = 44);
ALTER TABLE recorded_request SET (fillfactor = 30);
