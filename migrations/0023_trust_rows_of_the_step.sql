-- A foreign key asks in a query of its own, and locks the row that it finds.  Three of the five that a payment pays for ask
-- for a row that the same step has written or numbered just before, and customers and attempts are never deleted:
-- an event has its number from the customer's row, a gateway's transaction is that of the attempt that was settled a
-- statement earlier, and what is owed is owed for rows that refer to their customer themselves.  docs/schema.md, "Foreign keys".
SET search_path = dues;

ALTER TABLE event DROP CONSTRAINT event_customer_id_fkey;
ALTER TABLE obligation DROP CONSTRAINT obligation_customer_id_fkey;
ALTER TABLE gateway_transaction DROP CONSTRAINT gateway_transaction_customer_id_attempt_id_fkey;
