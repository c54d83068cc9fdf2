-- Where nothing of another amount can stand in suspense, as of a hold, the amount itself is what two operators approve.
SET search_path = dues;

-- AMOUNT_MISMATCH: what the gateway said last, 0: money of another currency; NULL: not known.
ALTER TABLE incident ADD COLUMN said_amount bigint;
-- The same as the approver has seen it.
ALTER TABLE incident_approval ADD COLUMN said_amount bigint;
