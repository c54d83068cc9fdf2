-- The schema of the house: what every room leans on.  Rules: ARCHITECTURE.md, "Tables".
-- The owner role runs this; roles and database are made before, by deploy/postgresql/roles.sql.

CREATE SCHEMA dues;
GRANT USAGE ON SCHEMA dues TO dues_service;

-- Closed by default: the service role reads tables and executes the functions that are granted to it
-- one by one; it never writes a table itself.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA dues GRANT SELECT ON TABLES TO dues_service;

SET search_path = dues;

-- Sandbox only.  A catalogue table: customers refer to it, it refers to nobody.
CREATE TABLE test_clock (
    test_clock_id uuid PRIMARY KEY,
    clock_time timestamptz NOT NULL,
    target_time timestamptz,            -- set while an advance is running
    epoch bigint NOT NULL DEFAULT 0,    -- guard of the running advance
    lease_until timestamptz,
    claim_id uuid,                      -- who advances it: a claim run again finds itself
    create_time timestamptz NOT NULL,
    CONSTRAINT test_clock_target_ahead CHECK (target_time >= clock_time)
);

CREATE TABLE customer (
    customer_id uuid PRIMARY KEY,
    display_name text NOT NULL CONSTRAINT customer_display_name_short CHECK (length(display_name) <= 63),
    email text CONSTRAINT customer_email_short CHECK (length(email) <= 254),
    test_clock_id uuid REFERENCES test_clock,
    default_payment_method_id uuid,
    trial_used boolean NOT NULL DEFAULT false,
    event_count bigint NOT NULL DEFAULT 0,    -- the sequence of this customer's events, without gaps
    invoice_count bigint NOT NULL DEFAULT 0,  -- the sequence of this customer's invoice numbers
    create_time timestamptz NOT NULL
) WITH (fillfactor = 80);

-- One row a state-changing request that carried a request_id.
CREATE TYPE request_key AS (caller text, method text, request_id text, request_hash bytea);

CREATE TABLE recorded_request (
    customer_id uuid NOT NULL,
    caller text NOT NULL,
    method text NOT NULL,
    request_id text NOT NULL CONSTRAINT recorded_request_id_short CHECK (length(request_id) BETWEEN 1 AND 64),
    request_hash bytea NOT NULL CONSTRAINT recorded_request_hash_size CHECK (length(request_hash) = 32),
    object_id uuid,                     -- what the request made
    answer bytea,                       -- NULL while its money is in flight
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, caller, method, request_id)
);

-- What must happen next.
CREATE TABLE obligation (
    customer_id uuid NOT NULL,
    kind text NOT NULL,
    business_key text NOT NULL,
    bucket smallint NOT NULL CONSTRAINT obligation_bucket_range CHECK (bucket BETWEEN 0 AND 63),
    subject_id uuid NOT NULL,
    due_time timestamptz NOT NULL,
    test_clock_id uuid,                 -- due in this clock's time; NULL: wall time
    lease_until timestamptz,            -- database clock
    claim_id uuid,                      -- who holds it: a claim run again finds itself
    epoch bigint NOT NULL DEFAULT 0,
    failure_count integer NOT NULL DEFAULT 0,
    last_failure text,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, kind, business_key),
    FOREIGN KEY (customer_id) REFERENCES customer (customer_id)
) WITH (fillfactor = 70);
CREATE INDEX obligation_due ON obligation (bucket, due_time) WHERE test_clock_id IS NULL;
CREATE INDEX obligation_due_on_clock ON obligation (test_clock_id, due_time) WHERE test_clock_id IS NOT NULL;

-- Everything that happened, one sequence a customer, without gaps.
CREATE TABLE event (
    customer_id uuid NOT NULL,
    sequence bigint NOT NULL,
    type text NOT NULL,                 -- 'payment.succeeded'
    subject_id uuid NOT NULL,
    data jsonb NOT NULL DEFAULT '{}',
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, sequence),
    FOREIGN KEY (customer_id) REFERENCES customer (customer_id)
);
