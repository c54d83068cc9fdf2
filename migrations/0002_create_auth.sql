-- Who people are: addresses, passwords, sessions, devices, and the keys that vouch for them.
SET search_path = dues;

-- The server's own keys, sealed.  Every server writes the first generation at its first start; one wins.
CREATE TABLE signing_key (
    kind text NOT NULL CONSTRAINT signing_key_kind CHECK (kind IN ('token', 'device_ca')),
    generation integer NOT NULL CONSTRAINT signing_key_generation_positive CHECK (generation > 0),
    key_id text NOT NULL,                   -- RFC 7638 thumbprint
    sealed_key bytea NOT NULL,              -- PKCS#8 PEM under the master key
    certificate_pem text,                   -- of an authority
    create_time timestamptz NOT NULL,
    PRIMARY KEY (kind, generation),
    CONSTRAINT signing_key_authority_has_certificate CHECK ((kind = 'device_ca') = (certificate_pem IS NOT NULL))
);

-- Which customer an address belongs to: reserve, use, confirm.  Looked up without a customer, so it
-- refers to nobody.
CREATE TABLE email_reservation (
    email text PRIMARY KEY CONSTRAINT email_reservation_lower_case CHECK (email = lower(email) AND length(email) <= 254),
    customer_id uuid NOT NULL,
    state text NOT NULL CONSTRAINT email_reservation_state CHECK (state IN ('RESERVED', 'CONFIRMED')),
    caller text NOT NULL,                   -- whose sign-up holds it
    request_id text,
    request_hash bytea NOT NULL,
    reserve_time timestamptz NOT NULL       -- wall time: a reservation that grows old may be taken over
);

-- Requests of callers who are nobody yet: which content a request_id stands for.
CREATE TABLE stranger_request (
    caller text NOT NULL,
    method text NOT NULL,
    request_id text NOT NULL CONSTRAINT stranger_request_id_short CHECK (length(request_id) BETWEEN 1 AND 64),
    request_hash bytea NOT NULL CONSTRAINT stranger_request_hash_size CHECK (length(request_hash) = 32),
    create_time timestamptz NOT NULL,
    PRIMARY KEY (caller, method, request_id)
);

-- The user has the customer's id.
CREATE TABLE user_account (
    customer_id uuid NOT NULL,
    email text NOT NULL CONSTRAINT user_account_email_short CHECK (length(email) <= 254),   -- as it was given
    display_name text NOT NULL CONSTRAINT user_account_display_name_short CHECK (length(display_name) <= 63),
    password_hash text NOT NULL,            -- PHC string, Argon2id
    password_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id),
    FOREIGN KEY (customer_id) REFERENCES customer (customer_id)
);

-- A session is the family of the refresh tokens that follow one another.
CREATE TABLE session (
    customer_id uuid NOT NULL,
    session_id uuid NOT NULL,
    state text NOT NULL CONSTRAINT session_state CHECK (state IN ('ACTIVE', 'LOGGED_OUT', 'COMPROMISED')),
    sender text NOT NULL,                   -- the certificate's identity that may refresh it
    generation integer NOT NULL CONSTRAINT session_generation_positive CHECK (generation > 0),
    token_hash bytea NOT NULL CONSTRAINT session_token_hash_size CHECK (length(token_hash) = 32),   -- the token that is good now
    rotate_time timestamptz NOT NULL,       -- when it became good
    expire_time timestamptz NOT NULL,       -- the absolute end
    end_time timestamptz,
    end_id uuid,                            -- the log-out that ended it: run again, it finds itself
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, session_id),
    FOREIGN KEY (customer_id) REFERENCES customer (customer_id),
    CONSTRAINT session_ended_has_time CHECK ((state = 'ACTIVE') = (end_time IS NULL))
) WITH (fillfactor = 80);

-- A device that holds a certificate of our authority; its times are wall time, as TLS sees them.
CREATE TABLE device (
    customer_id uuid NOT NULL,
    device_id uuid NOT NULL,
    display_name text NOT NULL CONSTRAINT device_display_name_short CHECK (length(display_name) <= 63),
    certificate_hash bytea NOT NULL CONSTRAINT device_certificate_hash_size CHECK (length(certificate_hash) = 32),
    spki_hash bytea NOT NULL CONSTRAINT device_spki_hash_size CHECK (length(spki_hash) = 32),
    expire_time timestamptz NOT NULL,
    create_time timestamptz NOT NULL,
    PRIMARY KEY (customer_id, device_id),
    FOREIGN KEY (customer_id) REFERENCES customer (customer_id)
);
