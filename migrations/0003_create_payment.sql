-- Payments: how customers pay, what was charged and given back, and what the gateway was asked.
SET search_path = dues;

CREATE TABLE payment_method (
    customer_id uuid NOT NULL,
    payment_method_id uuid NOT NULL,
    gateway text NOT NULL,
    token_sealed bytea NOT NULL,        -- the gateway's token, sealed by the server; never changed
    brand text NOT NULL CONSTRAINT payment_method_brand_short CHECK (length(brand) <= 32),
    last4 text NOT NULL CONSTRAINT payment_method_last4_digits CHECK (last4 ~ '^([0-9]{4})?$'),
    exp_month integer NOT NULL CONSTRAINT payment_method_exp_month_range CHECK (exp_month BETWEEN 0 AND 12),
    exp_year integer NOT NULL CONSTRAINT payment_method_exp_year_range CHECK (exp_year BETWEEN 0 AND 9999),
    state text NOT NULL CONSTRAINT payment_method_state_known CHECK (state IN ('ACTIVE', 'UNUSABLE')),
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, payment_method_id),
    FOREIGN KEY (customer_id) REFERENCES customer (customer_id)
);

CREATE TABLE payment (
    customer_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    payment_method_id uuid NOT NULL,
    invoice_id uuid,                    -- what it pays; NULL: a payment of its own
    currency char(3) NOT NULL,
    amount bigint NOT NULL CONSTRAINT payment_amount_range CHECK (amount BETWEEN 1 AND 1000000000000),
    description text NOT NULL CONSTRAINT payment_description_short CHECK (length(description) <= 255),
    state text NOT NULL CONSTRAINT payment_state_known
        CHECK (state IN ('PROCESSING', 'REQUIRES_ACTION', 'SUCCEEDED', 'FAILED')),
    decline_code text NOT NULL DEFAULT '',
    amount_captured bigint NOT NULL DEFAULT 0,
    amount_refunded bigint NOT NULL DEFAULT 0,
    amount_refund_pending bigint NOT NULL DEFAULT 0, -- reserved by refunds in state PENDING
    refund_count integer NOT NULL DEFAULT 0,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, payment_id),
    FOREIGN KEY (customer_id, payment_method_id) REFERENCES payment_method (customer_id, payment_method_id),
    CONSTRAINT payment_captured_when_succeeded
        CHECK (amount_captured = CASE WHEN state = 'SUCCEEDED' THEN amount ELSE 0 END),
    CONSTRAINT payment_refunds_within_capture
        CHECK (amount_refunded >= 0 AND amount_refund_pending >= 0
               AND amount_refunded + amount_refund_pending <= amount_captured)
) WITH (fillfactor = 85);

CREATE TABLE refund (
    customer_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    currency char(3) NOT NULL,
    amount bigint NOT NULL CONSTRAINT refund_amount_positive CHECK (amount > 0),
    reason text NOT NULL CONSTRAINT refund_reason_known
        CHECK (reason IN ('', 'REQUESTED_BY_CUSTOMER', 'DUPLICATE', 'FRAUDULENT')),
    state text NOT NULL CONSTRAINT refund_state_known CHECK (state IN ('PENDING', 'SUCCEEDED', 'FAILED')),
    failure_code text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, payment_id, refund_id),
    FOREIGN KEY (customer_id, payment_id) REFERENCES payment (customer_id, payment_id)
) WITH (fillfactor = 85);

-- One row for each thing asked of a gateway under one idempotency key.  Together with the sealed token of
-- the payment method, which never changes, it is the whole frozen request: a re-send is built from it alone.
CREATE TABLE attempt (
    customer_id uuid NOT NULL,
    attempt_id uuid NOT NULL,           -- also the reference that the gateway is told
    payment_id uuid NOT NULL,
    refund_id uuid,                     -- operation REFUND
    operation text NOT NULL CONSTRAINT attempt_operation_known CHECK (operation IN ('CHARGE', 'REFUND')),
    sequence integer NOT NULL,          -- among the attempts of this operation on the payment, from 1
    gateway text NOT NULL,
    gateway_key text NOT NULL CONSTRAINT attempt_gateway_key_short CHECK (length(gateway_key) BETWEEN 16 AND 36),
    currency char(3) NOT NULL,
    amount bigint NOT NULL CONSTRAINT attempt_amount_positive CHECK (amount > 0),
    off_session boolean NOT NULL,
    charge_transaction text NOT NULL DEFAULT '', -- operation REFUND: what it gives back from
    state text NOT NULL CONSTRAINT attempt_state_known
        CHECK (state IN ('SENDING', 'UNKNOWN', 'RESOLVING', 'SUCCEEDED', 'DECLINED', 'FAILED',
                         'REQUIRES_ACTION', 'MANUAL')),
    epoch bigint NOT NULL,              -- raised by whoever takes it over; guard of every later write
    lease_until timestamptz,            -- database clock; NULL: nobody drives it
    claim_id uuid,                      -- who took it over: a claim run again finds itself
    first_sent_time timestamptz NOT NULL, -- database clock; from here on a request may have left
    send_count integer NOT NULL,
    check_count integer NOT NULL DEFAULT 0, -- how often the answer was not definitive
    gateway_transaction text NOT NULL DEFAULT '',
    decline_code text NOT NULL DEFAULT '',
    evidence text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, attempt_id),
    CONSTRAINT attempt_once_in_sequence UNIQUE (customer_id, payment_id, operation, sequence),
    FOREIGN KEY (customer_id, payment_id) REFERENCES payment (customer_id, payment_id),
    CONSTRAINT attempt_refund_named CHECK ((operation = 'REFUND') = (refund_id IS NOT NULL))
) WITH (fillfactor = 80);

-- What the gateway did, by the gateway's own id: one transaction belongs to one attempt.
CREATE TABLE gateway_transaction (
    customer_id uuid NOT NULL,
    gateway text NOT NULL,
    gateway_transaction text NOT NULL,
    attempt_id uuid NOT NULL,
    currency char(3) NOT NULL,
    amount bigint NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, gateway, gateway_transaction),
    FOREIGN KEY (customer_id, attempt_id) REFERENCES attempt (customer_id, attempt_id)
);

-- What no machine may decide.  One row a kind and attempt.
CREATE TABLE incident (
    customer_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT incident_kind_known
        CHECK (kind IN ('opposite_evidence', 'gateway_mismatch', 'duplicate_transaction', 'unknown_too_long',
                        'evidence_after_manual')),
    payment_id uuid NOT NULL,
    detail text NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, attempt_id, kind),
    FOREIGN KEY (customer_id, attempt_id) REFERENCES attempt (customer_id, attempt_id)
);

-- Double entry.  A debit is positive, a credit negative; each (group, kind, currency) sums to zero.
-- Written by ledger_post only, never changed.
CREATE TABLE ledger_entry (
    customer_id uuid NOT NULL,
    group_id uuid NOT NULL,             -- what caused it: an attempt, an invoice
    kind text NOT NULL,                 -- 'charge', 'refund', 'suspense', 'invoice'
    line_no smallint NOT NULL,
    account text NOT NULL,
    currency char(3) NOT NULL,
    amount bigint NOT NULL CONSTRAINT ledger_entry_amount_moves CHECK (amount <> 0),
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, group_id, kind, line_no)
);

CREATE TYPE ledger_line AS (account text, currency text, amount bigint);

-- Order of the fields: CHARGE_PARAMS and SETTLEMENT_PARAMS in payment/charge.h, REFUND_PARAMS in payment/refund.h.
CREATE TYPE charge_intent AS (
    payment_id uuid, attempt_id uuid, payment_method_id uuid, invoice_id uuid, currency text, amount bigint,
    description text, gateway text, gateway_key text, off_session boolean, lease_ms bigint
);
CREATE TYPE settlement AS (
    payment_id uuid, attempt_id uuid, epoch bigint, outcome text, gateway_transaction text, amount bigint,
    decline_code text, evidence text
);
CREATE TYPE refund_intent AS (
    refund_id uuid, attempt_id uuid, payment_id uuid, amount bigint, reason text, gateway_key text, lease_ms bigint
);

-- What a step on a payment answers: its outcome and the payment as it then stands.
CREATE TYPE payment_result AS (
    outcome text, payment_id uuid, payment_method_id uuid, invoice_id uuid, currency text, amount bigint,
    description text, state text, decline_code text, amount_captured bigint, amount_refunded bigint,
    amount_refund_pending bigint, create_time timestamptz, update_time timestamptz
);
CREATE TYPE refund_result AS (
    outcome text, refund_id uuid, payment_id uuid, currency text, amount bigint, reason text, state text,
    failure_code text, create_time timestamptz, update_time timestamptz
);

-- Finds the request whose money was in flight when its result comes (request_answer).
CREATE INDEX recorded_request_running ON recorded_request (customer_id, object_id) WHERE answer IS NULL;
