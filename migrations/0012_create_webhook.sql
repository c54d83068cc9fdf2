-- Webhooks out: who is told what happens, what is still to be told, and how telling it went.
SET search_path = dues;

-- A catalogue.  One slot an endpoint: of two that are made at the same time only one gets the last.
CREATE TABLE webhook_endpoint (
    webhook_endpoint_id uuid PRIMARY KEY,
    slot smallint NOT NULL CONSTRAINT webhook_endpoint_slot_range CHECK (slot BETWEEN 0 AND 15)
        CONSTRAINT webhook_endpoint_slot_once UNIQUE,
    url text NOT NULL CONSTRAINT webhook_endpoint_url_short CHECK (length(url) BETWEEN 1 AND 2048),
    event_types text[] NOT NULL         -- 'payment.succeeded', 'payment.*'; none: every type
        CONSTRAINT webhook_endpoint_event_types_few CHECK (cardinality(event_types) <= 32),
    description text NOT NULL CONSTRAINT webhook_endpoint_description_short CHECK (length(description) <= 255),
    signing text NOT NULL CONSTRAINT webhook_endpoint_signing_known CHECK (signing IN ('HMAC', 'ED25519')),
    state text NOT NULL CONSTRAINT webhook_endpoint_state_known CHECK (state IN ('ENABLED', 'DISABLED')),
    disable_reason text NOT NULL DEFAULT '' CONSTRAINT webhook_endpoint_disable_reason_known
        CHECK (disable_reason IN ('', 'REQUESTED', 'GONE', 'FAILING')),
    secret_id uuid NOT NULL,            -- part of the seal: another one with each rotation
    secret_sealed bytea NOT NULL,
    public_key bytea,                   -- signing ED25519
    previous_secret_id uuid,            -- signs too, until it expires
    previous_secret_sealed bytea,
    previous_public_key bytea,
    previous_expire_time timestamptz,
    failing_since timestamptz,          -- nothing was delivered since; NULL: the last attempt of all succeeded
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL
);

-- One row an event and endpoint that wants it, made with the event.  No foreign key to the event, which is written in the
-- same step, nor to the endpoint, whose row every payment would lock.
CREATE DOMAIN webhook_delivery_state AS text CONSTRAINT webhook_delivery_state_known
    CHECK (VALUE IN ('PENDING', 'SUCCEEDED', 'FAILED'));
CREATE TABLE webhook_delivery (
    customer_id uuid NOT NULL,
    webhook_endpoint_id uuid NOT NULL,
    sequence bigint NOT NULL,           -- of the event
    event_type text NOT NULL,
    state webhook_delivery_state NOT NULL DEFAULT 'PENDING',
    try_count integer NOT NULL DEFAULT 0,     -- attempts since it was queued, or queued again
    attempt_count integer NOT NULL DEFAULT 0, -- attempts of all
    next_attempt_time timestamptz,      -- after a failure
    create_time timestamptz NOT NULL,   -- the wall's, whatever clock the customer lives by
    update_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, webhook_endpoint_id, sequence)
) WITH (fillfactor = 80);
-- The head of a queue, and what an endpoint was told lately.
CREATE INDEX webhook_delivery_pending ON webhook_delivery (customer_id, webhook_endpoint_id, sequence) WHERE state = 'PENDING';
CREATE INDEX webhook_delivery_lately ON webhook_delivery (webhook_endpoint_id, state, create_time);

CREATE TABLE webhook_attempt (
    customer_id uuid NOT NULL,
    webhook_endpoint_id uuid NOT NULL,
    sequence bigint NOT NULL,
    number integer NOT NULL,            -- from 1; the last fifteen are kept
    attempt_time timestamptz NOT NULL,
    status integer NOT NULL,            -- of HTTP; 0: none was heard
    latency_us bigint NOT NULL,
    problem text NOT NULL CONSTRAINT webhook_attempt_problem_short CHECK (length(problem) <= 200), -- '': it succeeded
    answer text NOT NULL CONSTRAINT webhook_attempt_answer_short CHECK (length(answer) <= 256),
    PRIMARY KEY (customer_id, webhook_endpoint_id, sequence, number),
    FOREIGN KEY (customer_id, webhook_endpoint_id, sequence)
        REFERENCES webhook_delivery (customer_id, webhook_endpoint_id, sequence) ON DELETE CASCADE
);

-- The queues of an endpoint, through what is owed for them.  Neither column ever changes.
CREATE INDEX obligation_webhook ON obligation (business_key, customer_id) WHERE kind = 'webhook.deliver';

-- Order of the fields: WEBHOOK_RESULT_PARAMS in webhook/delivery_store.c.
CREATE TYPE webhook_attempt_result AS (
    sequence bigint, number integer, attempt_time timestamptz, status integer, latency_us bigint, problem text, answer text,
    retry_time timestamptz, is_gone boolean
);
