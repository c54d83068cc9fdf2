-- Memberships: the catalogue, who is a member, and what it costs.
SET search_path = dues;

-- The catalogue: customers refer to it, it refers to nobody.
CREATE TABLE tier (
    tier_id text PRIMARY KEY CONSTRAINT tier_id_form CHECK (tier_id ~ '^[a-z0-9-]{1,63}$'),
    display_name text NOT NULL CONSTRAINT tier_display_name_short CHECK (length(display_name) <= 63),
    rank integer NOT NULL CONSTRAINT tier_rank_positive CHECK (rank >= 0),
    open_to_all boolean NOT NULL DEFAULT false  -- its entitlements need no membership
);

CREATE TABLE tier_entitlement (
    tier_id text NOT NULL REFERENCES tier,
    entitlement text NOT NULL CONSTRAINT tier_entitlement_form CHECK (entitlement ~ '^[a-z0-9._-]{1,63}$'),
    PRIMARY KEY (tier_id, entitlement)
);

CREATE TABLE plan (
    plan_id text PRIMARY KEY CONSTRAINT plan_id_form CHECK (plan_id ~ '^[a-z0-9-]{1,63}$'),
    tier_id text NOT NULL REFERENCES tier,
    display_name text NOT NULL CONSTRAINT plan_display_name_short CHECK (length(display_name) <= 63),
    currency char(3) NOT NULL,
    price_minor bigint NOT NULL CONSTRAINT plan_price_range CHECK (price_minor BETWEEN 0 AND 1000000000000),
    period_unit text NOT NULL CONSTRAINT plan_period_unit CHECK (period_unit IN ('MONTH', 'YEAR')),
    period_count integer NOT NULL CONSTRAINT plan_period_count CHECK (period_count BETWEEN 1 AND 36),
    trial_days integer NOT NULL DEFAULT 0 CONSTRAINT plan_trial_days CHECK (trial_days BETWEEN 0 AND 365)
);

-- A plan as it was when the customer took it: its price and period are copied, so that the catalogue
-- never changes under a member.
CREATE TABLE membership (
    customer_id uuid NOT NULL,
    membership_id uuid NOT NULL,
    version bigint NOT NULL DEFAULT 1,      -- guard of every change
    change_id uuid NOT NULL,                -- the last change: a repeated step finds itself
    state text NOT NULL CONSTRAINT membership_state
        CHECK (state IN ('INCOMPLETE', 'TRIALING', 'ACTIVE', 'PAST_DUE', 'CANCELED', 'EXPIRED')),
    plan_id text NOT NULL REFERENCES plan,
    tier_id text NOT NULL REFERENCES tier,
    currency char(3) NOT NULL,
    price_minor bigint NOT NULL CONSTRAINT membership_price_range CHECK (price_minor BETWEEN 0 AND 1000000000000),
    period_months integer NOT NULL CONSTRAINT membership_period_months CHECK (period_months >= 0), -- 0: without end
    payment_method_id uuid,
    anchor_time timestamptz NOT NULL,       -- period n begins n * period_months after it
    period_index integer NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz,                 -- NULL: without end
    trial_end_time timestamptz,
    access_end_time timestamptz,
    next_charge_time timestamptz,
    cancel_at_period_end boolean NOT NULL DEFAULT false,
    cancel_time timestamptz,
    end_time timestamptz,
    retry_number integer NOT NULL DEFAULT 0, -- the retry that comes next; 0: none
    pending_payment_id uuid,                -- money in flight: nothing ends or renews meanwhile
    latest_invoice_id uuid,
    decline_code text,
    decline_time timestamptz,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, membership_id),
    FOREIGN KEY (customer_id) REFERENCES customer (customer_id),
    CONSTRAINT membership_end_time_when_ended CHECK ((end_time IS NOT NULL) = (state IN ('CANCELED', 'EXPIRED'))),
    CONSTRAINT membership_paid_has_method CHECK (price_minor = 0 OR payment_method_id IS NOT NULL)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX membership_one_live ON membership (customer_id) WHERE state NOT IN ('CANCELED', 'EXPIRED');

CREATE TABLE invoice (
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    number bigint NOT NULL,                 -- from 1, without gaps
    membership_id uuid NOT NULL,
    due_time timestamptz NOT NULL,          -- start of the period that it was written for; never changes
    state text NOT NULL CONSTRAINT invoice_state CHECK (state IN ('OPEN', 'PAID', 'VOID', 'UNCOLLECTIBLE')),
    currency char(3) NOT NULL,
    total_minor bigint NOT NULL,
    period_start timestamptz NOT NULL,      -- moves with a recovery after the grace
    period_end timestamptz NOT NULL,
    payment_id uuid,                        -- the latest
    create_time timestamptz NOT NULL,
    paid_time timestamptz,
    PRIMARY KEY (customer_id, invoice_id),
    FOREIGN KEY (customer_id, membership_id) REFERENCES membership (customer_id, membership_id),
    CONSTRAINT invoice_number_once UNIQUE (customer_id, number),
    CONSTRAINT invoice_period_once UNIQUE (customer_id, membership_id, due_time),
    CONSTRAINT invoice_paid_time_when_paid CHECK ((paid_time IS NOT NULL) = (state = 'PAID'))
);

CREATE TABLE invoice_line (
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    line_number integer NOT NULL,
    description text NOT NULL CONSTRAINT invoice_line_description_short CHECK (length(description) <= 255),
    amount_minor bigint NOT NULL,           -- in the invoice's currency; negative for a credit
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    PRIMARY KEY (customer_id, invoice_id, line_number),
    FOREIGN KEY (customer_id, invoice_id) REFERENCES invoice (customer_id, invoice_id)
);

-- One payment a try: the first is try 0, then the retries.
CREATE TABLE invoice_payment (
    customer_id uuid NOT NULL,
    invoice_id uuid NOT NULL,
    retry_number integer NOT NULL,
    payment_id uuid NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, invoice_id, retry_number),
    FOREIGN KEY (customer_id, invoice_id) REFERENCES invoice (customer_id, invoice_id)
);

-- What the step functions are given.  src/membership/membership_store.c fills them in this order.
CREATE TYPE membership_intent AS (plan_id text, tier_id text, currency text, price_minor bigint, period_months integer,
    trial_end_time timestamptz);
CREATE TYPE membership_change AS (membership_id uuid, version bigint, change_id uuid, state text, payment_method_id uuid,
    anchor_time timestamptz, period_index integer, period_start timestamptz, period_end timestamptz,
    access_end_time timestamptz, next_charge_time timestamptz, cancel_at_period_end boolean, cancel_time timestamptz,
    end_time timestamptz, retry_number integer, pending_payment_id uuid, latest_invoice_id uuid, decline_code text,
    decline_time timestamptz, event_type text);
-- All that the membership then owes: obligations not among them are over.
CREATE TYPE membership_owed AS (kind text, business_key text, due_time timestamptz,
    other_kind text, other_business_key text, other_due_time timestamptz);
CREATE TYPE invoice_intent AS (invoice_id uuid, due_time timestamptz, period_start timestamptz, period_end timestamptz,
    currency text, total_minor bigint, description text);
-- The obligation on whose behalf the step is done; kind NULL: none.
CREATE TYPE obligation_hold AS (kind text, business_key text, epoch bigint);

-- The sandbox's clocks: deleted ones stay as rows, because their customers' time stands still.
ALTER TABLE test_clock ADD COLUMN delete_time timestamptz;
CREATE INDEX test_clock_advancing ON test_clock (test_clock_id) WHERE target_time IS NOT NULL;
CREATE INDEX customer_on_clock ON customer (test_clock_id) WHERE test_clock_id IS NOT NULL;
