-- The catalogue is put by the owner role: deploy/catalogue/*.sql calls these.  What members have is a copy
-- (table membership), so putting a plan again changes what is offered, never what somebody pays.

CREATE OR REPLACE FUNCTION catalogue_put_tier(p_tier text, p_display_name text, p_rank integer, p_open_to_all boolean,
                                              p_entitlements text[]) RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO tier (tier_id, display_name, rank, open_to_all)
    VALUES (p_tier, p_display_name, p_rank, p_open_to_all)
    ON CONFLICT ON CONSTRAINT tier_pkey
    DO UPDATE SET display_name = p_display_name, rank = p_rank, open_to_all = p_open_to_all;
    DELETE FROM tier_entitlement e WHERE e.tier_id = p_tier AND NOT e.entitlement = ANY (p_entitlements);
    INSERT INTO tier_entitlement (tier_id, entitlement)
    SELECT p_tier, u.entitlement FROM unnest(p_entitlements) AS u (entitlement)
    ON CONFLICT ON CONSTRAINT tier_entitlement_pkey DO NOTHING;
END $$;

CREATE OR REPLACE FUNCTION catalogue_put_plan(p_plan text, p_tier text, p_display_name text, p_currency text,
                                              p_price_minor bigint, p_period_unit text, p_period_count integer,
                                              p_trial_days integer) RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    INSERT INTO plan (plan_id, tier_id, display_name, currency, price_minor, period_unit, period_count, trial_days)
    VALUES (p_plan, p_tier, p_display_name, p_currency, p_price_minor, p_period_unit, p_period_count, p_trial_days)
    ON CONFLICT ON CONSTRAINT plan_pkey
    DO UPDATE SET tier_id = p_tier, display_name = p_display_name, currency = p_currency, price_minor = p_price_minor,
                  period_unit = p_period_unit, period_count = p_period_count, trial_days = p_trial_days;
END $$;
