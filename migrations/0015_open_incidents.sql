-- Incidents as people work on them: about anything that does not add up, not about an attempt alone; opened once, resolved
-- by two operators who ask for the same.
SET search_path = dues;

CREATE DOMAIN incident_kind AS text CONSTRAINT incident_kind_known
    CHECK (VALUE IN ('AMOUNT_MISMATCH', 'DUPLICATE_REFERENCE', 'DUPLICATE_TRANSACTION', 'EVIDENCE_AFTER_MANUAL',
                     'GATEWAY_ONLY', 'GRANTED_NOT_PAID', 'LATE_OPPOSITE_EVIDENCE', 'NEVER_CAPTURED', 'OURS_ONLY',
                     'PAID_NOT_GRANTED', 'REFUNDED_AT_GATEWAY_ONLY', 'RELEASE_REFUSED', 'STATUS_DIFFERS', 'UNKNOWN_TOO_LONG',
                     'UNMATCHED_NEWS'));
-- APPROVED: two have asked for the same resolution; it is being carried out.
CREATE DOMAIN incident_state AS text CONSTRAINT incident_state_known CHECK (VALUE IN ('OPEN', 'APPROVED', 'RESOLVED'));
CREATE DOMAIN incident_resolution AS text CONSTRAINT incident_resolution_known
    CHECK (VALUE IN ('', 'MARK_SUCCEEDED', 'MARK_FAILED', 'POST_FROM_SUSPENSE', 'IGNORE'));
CREATE DOMAIN incident_account AS text CONSTRAINT incident_account_known
    CHECK (VALUE IN ('', 'revenue', 'customer_receivable', 'refunds', 'fees', 'disputes', 'bad_debt', 'gateway_clearing'));

ALTER TABLE incident
    DROP CONSTRAINT incident_pkey,
    DROP CONSTRAINT incident_kind_known,
    ALTER COLUMN attempt_id DROP NOT NULL,          -- NULL: it is about no attempt of ours
    ALTER COLUMN payment_id DROP NOT NULL,
    ADD COLUMN incident_id uuid,
    ADD COLUMN subject text,                        -- what it is about: a resource, an attempt, a gateway's id
    ADD COLUMN gateway text NOT NULL DEFAULT '',
    ADD COLUMN gateway_transaction text NOT NULL DEFAULT '',
    ADD COLUMN currency char(3),                    -- of the amount in question; NULL: none is
    ADD COLUMN amount bigint,
    ADD COLUMN state incident_state NOT NULL DEFAULT 'OPEN',
    ADD COLUMN version bigint NOT NULL DEFAULT 1,   -- raised by every change but the first approval, which asks for one
    ADD COLUMN resolution incident_resolution NOT NULL DEFAULT '',
    ADD COLUMN account incident_account NOT NULL DEFAULT '', -- POST_FROM_SUSPENSE: where the money belongs
    ADD COLUMN outcome text NOT NULL DEFAULT '',    -- what carrying it out came to
    ADD COLUMN update_time timestamptz;

UPDATE incident i
   SET kind = CASE i.kind WHEN 'opposite_evidence' THEN 'LATE_OPPOSITE_EVIDENCE'
                          WHEN 'gateway_mismatch' THEN 'AMOUNT_MISMATCH'
                          ELSE upper(i.kind) END,
       subject = i.attempt_id::text, update_time = i.create_time,
       incident_id = md5(i.customer_id || ' ' || i.attempt_id || ' ' || i.kind)::uuid,
       gateway = a.gateway, gateway_transaction = a.gateway_transaction, currency = a.currency, amount = a.amount
  FROM attempt a
 WHERE a.customer_id = i.customer_id AND a.attempt_id = i.attempt_id;

ALTER TABLE incident
    ALTER COLUMN kind TYPE incident_kind,
    ALTER COLUMN incident_id SET NOT NULL,
    ALTER COLUMN subject SET NOT NULL,
    ALTER COLUMN update_time SET NOT NULL,
    ADD PRIMARY KEY (customer_id, incident_id),
    ADD CONSTRAINT incident_opened_once UNIQUE (customer_id, kind, subject);
-- What people look for, whosever it is: what waits for them.
CREATE INDEX incident_unresolved ON incident (create_time, incident_id) WHERE state <> 'RESOLVED';
CREATE INDEX incident_lately ON incident (create_time, incident_id);

-- Who asked for what, never changed: the audit of every repair.
CREATE TABLE incident_approval (
    customer_id uuid NOT NULL,
    incident_id uuid NOT NULL,
    version bigint NOT NULL,            -- of the incident that was looked at
    approver text NOT NULL,             -- the certificate's identity
    resolution incident_resolution NOT NULL,
    account incident_account NOT NULL,
    reason text NOT NULL CONSTRAINT incident_approval_reason_short CHECK (length(reason) BETWEEN 1 AND 500),
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, incident_id, version, approver),
    FOREIGN KEY (customer_id, incident_id) REFERENCES incident (customer_id, incident_id)
);

-- Order of the fields: INCIDENT_PARAMS in payment/incident.c.
CREATE TYPE incident_new AS (
    kind text, subject text, detail text, attempt_id uuid, payment_id uuid, gateway text, gateway_transaction text,
    currency text, amount bigint
);
