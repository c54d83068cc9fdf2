-- Keys whose certificates are no longer believed, whoever issued them and until when.  Rows are never removed: one that
-- is withdrawn says so.  Servers read what is newer than the version they know.
CREATE TABLE revoked_key (
    spki_hash bytea PRIMARY KEY CONSTRAINT revoked_key_hash_size CHECK (length(spki_hash) = 32),
    version bigint NOT NULL CONSTRAINT revoked_key_version_once UNIQUE,  -- goes up with each change of any row, in commit order
    reason text NOT NULL CONSTRAINT revoked_key_reason_short CHECK (length(reason) BETWEEN 1 AND 200),
    revoke_time timestamptz NOT NULL,
    withdraw_time timestamptz           -- set: believed again
);
