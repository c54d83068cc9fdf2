-- An operator may ask for something else than before: of one operator's wishes for an incident as it stands, the newest counts.
-- What stood in suspense is part of the wish, so that two who ask for the same mean the same money.
SET search_path = dues;

ALTER TABLE incident_approval
    DROP CONSTRAINT incident_approval_pkey,
    ADD COLUMN wish bigint,             -- of the incident, in the order in which they were recorded
    ADD COLUMN amount bigint NOT NULL DEFAULT 0,
    ADD COLUMN currency char(3);

UPDATE incident_approval a
   SET wish = (SELECT count(*) FROM incident_approval b
                WHERE b.customer_id = a.customer_id AND b.incident_id = a.incident_id
                  AND (b.version, b.create_time, b.approver) <= (a.version, a.create_time, a.approver));

ALTER TABLE incident_approval
    ALTER COLUMN wish SET NOT NULL,
    ADD PRIMARY KEY (customer_id, incident_id, wish);
