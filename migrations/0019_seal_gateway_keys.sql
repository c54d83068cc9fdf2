-- Keys by which gateways know us, and we them, rest sealed like everything else.
SET search_path = dues;

-- 'stripe': the API key; 'stripe-webhook': the secret that signs what Stripe sends us.  The newest is in use; of secrets the
-- one before still counts, so that both sides can change at different moments.
CREATE TABLE gateway_key (
    name text NOT NULL CONSTRAINT gateway_key_name_known CHECK (name IN ('stripe', 'stripe-webhook')),
    generation integer NOT NULL CONSTRAINT gateway_key_generation_positive CHECK (generation > 0),
    sealed_key bytea NOT NULL,
    hint text NOT NULL CONSTRAINT gateway_key_hint_short CHECK (length(hint) <= 31), -- by which people tell keys apart
    create_time timestamptz NOT NULL,
    PRIMARY KEY (name, generation)
);
