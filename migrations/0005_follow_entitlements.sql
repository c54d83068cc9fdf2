-- What servers follow to know whose entitlements changed, and a walk over all that is due at one moment of a clock.
SET search_path = dues;

-- Whose entitlement facts a transaction changed.  Looked up without a customer, by whoever polls for what is new.
-- Rows are deleted when no server can miss them any more (entitlement_change_forget).
CREATE TABLE entitlement_change (
    recorded xid8 NOT NULL,             -- the transaction: which snapshots see it is decidable, its commit's order is not
    customer_id uuid NOT NULL,
    PRIMARY KEY (recorded, customer_id)
);

-- Functions that now take other arguments.
DROP FUNCTION IF EXISTS membership_apply(uuid, membership_change, membership_owed, timestamptz);
DROP FUNCTION IF EXISTS membership_change_done(uuid, membership_change);
DROP FUNCTION IF EXISTS invoice_write(uuid, uuid, invoice_intent, timestamptz);

-- In the order in which an advance walks: a long one must not sort all that is left for each step.
DROP INDEX obligation_due_on_clock;
CREATE INDEX obligation_due_on_clock ON obligation (test_clock_id, due_time, customer_id) WHERE test_clock_id IS NOT NULL;
