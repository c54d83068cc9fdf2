-- What gateways tell by themselves: stored before the gateway gets its 2xx, applied by asking the gateway again.
SET search_path = dues;

-- OWED: an obligation 'gateway.news' of the customer applies it.  UNMATCHED: nobody's yet, looked at again at due_time.
-- QUARANTINED: nobody's, and that is that.  IGNORED: of no interest.
CREATE DOMAIN news_state AS text CONSTRAINT news_state_known
    CHECK (VALUE IN ('OWED', 'APPLIED', 'UNMATCHED', 'QUARANTINED', 'IGNORED'));
CREATE DOMAIN news_kind AS text CONSTRAINT news_kind_known
    CHECK (VALUE IN ('PAYMENT', 'REFUND', 'DISPUTE', 'PAYMENT_METHOD', 'OTHER'));
CREATE DOMAIN news_text AS text CONSTRAINT news_text_short CHECK (length(VALUE) <= 255);
CREATE DOMAIN news_body_hash AS bytea CONSTRAINT news_body_hash_size CHECK (length(VALUE) = 32);

-- Without foreign key: they come before we know whose they are.
CREATE TABLE news (
    gateway text NOT NULL,
    event_id news_text NOT NULL,        -- the gateway's: the same however often it comes
    kind news_kind NOT NULL,
    type news_text NOT NULL,            -- in the gateway's words
    object_id news_text NOT NULL,       -- the gateway's id of what it is about
    belongs_to news_text NOT NULL,      -- of what that belongs to: a refund's transaction
    customer_id uuid,                   -- whose it is, as far as is known
    reference uuid,                     -- our attempt, as the gateway says
    state news_state NOT NULL,
    body_sealed bytea,                  -- the raw bytes, until it is applied: they may hold personal data
    body_hash news_body_hash NOT NULL,  -- SHA-256 of the raw bytes
    event_time timestamptz,             -- when the gateway says that it happened
    receive_time timestamptz NOT NULL,
    due_time timestamptz,               -- UNMATCHED: when to look again
    settle_time timestamptz,            -- when it became APPLIED, QUARANTINED or IGNORED
    PRIMARY KEY (gateway, event_id)
) WITH (fillfactor = 80);
CREATE INDEX news_unmatched ON news (due_time) WHERE state = 'UNMATCHED';
CREATE INDEX news_unapplied ON news (receive_time) WHERE state IN ('OWED', 'UNMATCHED');
CREATE INDEX news_by_age ON news (receive_time);
CREATE INDEX news_body_by_customer ON news (customer_id) WHERE body_sealed IS NOT NULL;

-- Order of the fields: NEWS_PARAMS in payment/news_store.c.
CREATE TYPE news_told AS (
    gateway text, event_id text, kind text, type text, object_id text, belongs_to text, customer_id uuid, reference uuid,
    event_time timestamptz
);
