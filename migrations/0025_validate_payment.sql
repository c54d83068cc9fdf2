-- What 0021 left unlooked at: one pass over the table, in a transaction of its own that keeps nobody from reading or writing.
SET search_path = dues;

ALTER TABLE payment VALIDATE CONSTRAINT payment_adds_up;
