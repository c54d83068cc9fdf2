-- What an operator asks for is part of the approval's key: whoever asked for one resolution may ask for another one, too.
SET search_path = dues;

ALTER TABLE incident_approval
    DROP CONSTRAINT incident_approval_pkey,
    ADD PRIMARY KEY (customer_id, incident_id, version, approver, resolution, account);
