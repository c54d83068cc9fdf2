-- Envelope encryption: what rests sealed is sealed by data keys, and these are wrapped by a key-encryption key (KEK)
-- that the database never sees.
SET search_path = dues;

-- The KEKs that have been in use, by their ids.
CREATE TABLE key_encryption_key (
    key_id bytea PRIMARY KEY CONSTRAINT key_encryption_key_id_size CHECK (length(key_id) = 8),
    generation integer NOT NULL UNIQUE CONSTRAINT key_encryption_key_generation_positive CHECK (generation > 0),
    bridge bytea,                       -- while a rotation runs: this key, sealed by the one before it
    create_time timestamptz NOT NULL,
    retire_time timestamptz             -- from here on it wraps nothing new; one has none
);
CREATE UNIQUE INDEX key_encryption_key_in_use ON key_encryption_key ((true)) WHERE retire_time IS NULL;

-- The data key of the house's own secrets.
CREATE TABLE house_data_key (
    name text PRIMARY KEY,
    wrapped_key bytea NOT NULL CONSTRAINT house_data_key_wrapped_size CHECK (length(wrapped_key) = 89),
    kek_id bytea NOT NULL GENERATED ALWAYS AS (substring(wrapped_key FROM 2 FOR 8)) STORED,
    create_time timestamptz NOT NULL,
    wrap_time timestamptz NOT NULL
);

-- Secrets of the house that are no customer's and no table's: 'root', from which each server derives its keys.
CREATE TABLE house_secret (
    name text PRIMARY KEY,
    sealed bytea NOT NULL,
    create_time timestamptz NOT NULL
);

-- A customer's data key.  Without foreign key: a sign-up makes the key before it makes the customer.
CREATE TABLE customer_data_key (
    customer_id uuid NOT NULL PRIMARY KEY,
    wrapped_key bytea CONSTRAINT customer_data_key_wrapped_size CHECK (length(wrapped_key) = 89),
    kek_id bytea GENERATED ALWAYS AS (substring(wrapped_key FROM 2 FOR 8)) STORED,
    create_time timestamptz NOT NULL,
    wrap_time timestamptz NOT NULL,
    erase_time timestamptz,             -- the key is destroyed, and what it sealed with it
    CONSTRAINT customer_data_key_erased_is_gone CHECK ((erase_time IS NULL) = (wrapped_key IS NOT NULL))
);
-- What hangs on a KEK, in an order in which a rotation goes through it.
CREATE INDEX customer_data_key_by_kek ON customer_data_key (kek_id, customer_id);
