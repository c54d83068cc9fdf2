-- Disputes: what a cardholder's bank takes back, how it stands, and what we said to it.
SET search_path = dues;

-- What cannot be refunded any more because a bank has it, or wants it: of disputes that are open or were lost.  It may be
-- more than is left after refunds, so nothing holds it together with the other amounts.  No domain: a column of one that has a
-- CHECK writes the whole table anew.  payment_adds_up (0021) sees that it is not below 0.
ALTER TABLE payment ADD COLUMN amount_disputed bigint NOT NULL DEFAULT 0;
ALTER TYPE payment_result ADD ATTRIBUTE amount_disputed bigint;

CREATE DOMAIN dispute_state AS text CONSTRAINT dispute_state_known
    CHECK (VALUE IN ('NEEDS_RESPONSE', 'UNDER_REVIEW', 'WON', 'LOST', 'ACCEPTED', 'CLOSED'));

-- As the gateway said last.  The ledger follows from it: see functions/dispute.sql.
CREATE TABLE dispute (
    customer_id uuid NOT NULL,
    dispute_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    gateway text NOT NULL,
    gateway_dispute text NOT NULL,      -- the gateway's id
    currency char(3) NOT NULL,          -- the payment's
    amount bigint NOT NULL CONSTRAINT dispute_amount_positive CHECK (amount > 0),
    reason text NOT NULL,
    is_inquiry boolean NOT NULL,        -- a question of the bank's: nothing is withdrawn
    state dispute_state NOT NULL,
    amount_withdrawn bigint NOT NULL CONSTRAINT dispute_withdrawn_positive CHECK (amount_withdrawn >= 0),
    fee_currency char(3) NOT NULL,
    fee bigint NOT NULL CONSTRAINT dispute_fee_positive CHECK (fee >= 0),
    evidence_due_time timestamptz,      -- wall time, as the bank counts
    evidence_time timestamptz,          -- when evidence was given, in the customer's time
    response_id uuid,                   -- a response that is on its way: table dispute_response
    response_action text,               -- what it is
    asked_time timestamptz NOT NULL,    -- wall time: when the gateway was asked; older answers are not believed
    version bigint NOT NULL,            -- counts the changes: a step that follows from what was read is done only while it stands
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, dispute_id),
    CONSTRAINT dispute_known_once UNIQUE (customer_id, gateway, gateway_dispute),
    FOREIGN KEY (customer_id, payment_id) REFERENCES payment (customer_id, payment_id),
    CONSTRAINT dispute_response_whole CHECK ((response_id IS NULL) = (response_action IS NULL))
) WITH (fillfactor = 80);

-- Evidence, or giving in, on its way to the gateway: the recorded intent, as an attempt is that of a charge.
CREATE TABLE dispute_response (
    customer_id uuid NOT NULL,
    response_id uuid NOT NULL,
    dispute_id uuid NOT NULL,
    action text NOT NULL CONSTRAINT dispute_response_action_known CHECK (action IN ('EVIDENCE', 'ACCEPT')),
    gateway_key text NOT NULL,
    evidence_sealed bytea NOT NULL,     -- sealed by the server; empty when it is over, or there is none
    state text NOT NULL CONSTRAINT dispute_response_state_known
        CHECK (state IN ('SENDING', 'UNKNOWN', 'SUCCEEDED', 'FAILED')),
    check_count integer NOT NULL DEFAULT 0, -- how often the answer was not definitive
    first_sent_time timestamptz NOT NULL,   -- database clock; from here on a request may have left
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, response_id),
    FOREIGN KEY (customer_id, dispute_id) REFERENCES dispute (customer_id, dispute_id)
) WITH (fillfactor = 80);

-- Whose is it?  A gateway names its dispute and our attempt, and no customer.  Ids begin with their time and are written in
-- its order, so a few bytes for 128 pages find one; disputes are few.
CREATE INDEX attempt_by_id ON attempt USING brin (attempt_id) WITH (autosummarize = on);
CREATE INDEX dispute_by_gateway ON dispute (gateway, gateway_dispute);

-- Order of the fields: DISPUTE_PARAMS in payment/dispute_store.c.
CREATE TYPE dispute_known AS (
    dispute_id uuid, payment_id uuid, version bigint, gateway text, gateway_dispute text, currency text, amount bigint,
    reason text, is_inquiry boolean, state text, amount_withdrawn bigint, fee_currency text, fee bigint,
    evidence_due_time timestamptz, evidence_time timestamptz, asked_time timestamptz
);
CREATE TYPE dispute_response_intent AS (
    response_id uuid, dispute_id uuid, action text, gateway_key text, evidence_sealed bytea, lease_ms bigint
);
