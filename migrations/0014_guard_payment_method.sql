-- Payment methods in full: how often a card may be tried, which consent later charges rest on, when it expires; updated
-- and deleted.
SET search_path = dues;

-- STOPPED: the bank said not to try it again, until the card's data change.  UNUSABLE: never again.  DELETED: the token
-- is forgotten, the row stays for what was paid with it.
CREATE DOMAIN payment_method_state AS text CONSTRAINT payment_method_state_known
    CHECK (VALUE IN ('ACTIVE', 'STOPPED', 'UNUSABLE', 'DELETED'));
CREATE DOMAIN mandate_type AS text CONSTRAINT mandate_type_known
    CHECK (VALUE IN ('RECURRING', 'UNSCHEDULED', 'GRANDFATHERED'));
CREATE DOMAIN mandate_ip_address AS text CONSTRAINT mandate_ip_address_short CHECK (length(VALUE) <= 45);
CREATE DOMAIN mandate_user_agent AS text CONSTRAINT mandate_user_agent_short CHECK (length(VALUE) <= 255);
CREATE DOMAIN mandate_text_version AS text CONSTRAINT mandate_text_version_short CHECK (length(VALUE) <= 63);
CREATE DOMAIN payment_method_fingerprint AS text CONSTRAINT payment_method_fingerprint_short CHECK (length(VALUE) <= 63);

ALTER TABLE payment_method
    DROP CONSTRAINT payment_method_state_known, ALTER COLUMN state TYPE payment_method_state,
    ADD COLUMN version bigint NOT NULL DEFAULT 1,       -- guard of changes to what is shown of it
    ADD COLUMN fingerprint payment_method_fingerprint NOT NULL DEFAULT '', -- the gateway's name of the card: the same for the same card
    ADD COLUMN decline_times timestamptz[],             -- the last 15 declines of 30 days, oldest first; NULL: none
    ADD COLUMN retry_time timestamptz,                  -- not to be tried before; NULL: there is room for another try
    ADD COLUMN stop_code text,                          -- the decline that made it STOPPED or UNUSABLE
    ADD COLUMN mandate_type mandate_type,               -- the customer's consent to charges without it; NULL: none
    ADD COLUMN mandate_accept_time timestamptz,
    ADD COLUMN mandate_ip_address mandate_ip_address,
    ADD COLUMN mandate_user_agent mandate_user_agent,
    ADD COLUMN mandate_text_version mandate_text_version,
    ADD COLUMN notified_expiry integer NOT NULL DEFAULT 0, -- YYYYMM of the expiry that was announced
    ADD COLUMN delete_time timestamptz;

-- Whoever stored a card so far did it to be charged again; nobody was asked in so many words.
UPDATE payment_method SET mandate_type = 'GRANDFATHERED', mandate_accept_time = create_time;
UPDATE payment_method SET stop_code = 'lost_card' WHERE state = 'UNUSABLE';

CREATE TYPE mandate_given AS (type text, accept_time timestamptz, ip_address text, user_agent text, text_version text);
-- What a gateway tells of a card.
CREATE TYPE card_told AS (brand text, last4 text, exp_month integer, exp_year integer, fingerprint text);

-- The expiry of the cards that live memberships renew with is announced.  As payment_method_watch does.
INSERT INTO obligation (customer_id, kind, business_key, bucket, subject_id, due_time, test_clock_id, epoch, create_time)
SELECT w.customer_id, 'payment_method.expiry',
       w.payment_method_id || ':' || (w.exp_year * 100 + w.exp_month), get_byte(uuid_send(w.customer_id), 15) % 64,
       w.payment_method_id,
       (make_timestamp(w.exp_year, w.exp_month, 1, 0, 0, 0) + interval '1 month') AT TIME ZONE 'UTC' - interval '720 hours',
       c.test_clock_id, 1, m.create_time
  FROM membership m
  JOIN customer c ON c.customer_id = m.customer_id
  JOIN payment_method w ON w.customer_id = m.customer_id AND w.payment_method_id = m.payment_method_id
 WHERE m.state IN ('TRIALING', 'ACTIVE', 'PAST_DUE') AND w.state <> 'DELETED' AND w.exp_year > 0 AND w.exp_month > 0
   AND (make_timestamp(w.exp_year, w.exp_month, 1, 0, 0, 0) + interval '1 month') AT TIME ZONE 'UTC'
       > coalesce((SELECT t.clock_time FROM test_clock t WHERE t.test_clock_id = c.test_clock_id), clock_timestamp())
ON CONFLICT ON CONSTRAINT obligation_pkey DO NOTHING;
