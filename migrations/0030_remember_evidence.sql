-- What was there before a response was sent is no proof that it arrived, and what nobody can find out goes to people.
SET search_path = dues;

ALTER TABLE dispute_response
    ADD COLUMN had_evidence boolean NOT NULL DEFAULT true, -- the bank had evidence before; not known of older rows
    DROP CONSTRAINT dispute_response_state_known,
    ADD CONSTRAINT dispute_response_state_known
        CHECK (state IN ('SENDING', 'UNKNOWN', 'SUCCEEDED', 'FAILED', 'MANUAL'));

ALTER TYPE dispute_response_intent ADD ATTRIBUTE had_evidence boolean;
