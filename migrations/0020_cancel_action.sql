-- A payment that waits for its customer can be canceled.
SET search_path = dues;

-- From then on nobody waits for the customer any more: whoever looks next has the gateway let go.
ALTER TABLE payment_action ADD COLUMN cancel_time timestamptz;
