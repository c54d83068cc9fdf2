-- Payment methods.

-- The card networks' rule: at most so many tries of one card in so long a time, by the customer's clock.
CREATE OR REPLACE FUNCTION card_tries_max() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT 15 $$;
CREATE OR REPLACE FUNCTION card_tries_window() RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT interval '720 hours' $$;

-- The bank said not to try again, until the card's data change.  The codes of class STOP in decline.c; a test compares
-- them.  What the network says counts for more than the code: its advice, Visa's category 1, and R0, R1, R3, by which
-- the customer withdrew the order.
CREATE OR REPLACE FUNCTION decline_stops_method(p_code text, p_network_code text, p_advice text, p_brand text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT p_code IN ('do_not_try_again', 'fraudulent', 'highest_risk_level', 'merchant_blacklist',
                      'previously_declined_do_not_retry', 'revocation_of_all_authorizations', 'revocation_of_authorization',
                      'security_violation', 'stop_payment_order')
        OR p_advice = 'do_not_try_again'
        OR p_network_code IN ('R0', 'R1', 'R3')
        OR p_brand = 'visa' AND p_network_code IN ('04', '07', '12', '14', '15', '41', '43', '46', '57')
$$;
GRANT EXECUTE ON FUNCTION decline_stops_method(text, text, text, text) TO dues_service;

-- May this card be charged once more?  NULL: yes.  'unusable'; 'mandate': the customer is not there and never agreed;
-- 'limit': not before retry_time; 'busy': so many charges are on their way that all of them declined would be too many.
-- The method's row stays locked until the commit, so that two tries of one card are one after the other; the foreign key of
-- the payment would lock it, too.
CREATE OR REPLACE FUNCTION payment_method_refuses(p_customer uuid, p_method uuid, p_off_session boolean, p_now timestamptz)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    v_card record;
    v_room integer := card_tries_max();
BEGIN
    SELECT m.state, m.mandate_type, m.retry_time, m.decline_times, m.gateway, m.fingerprint INTO v_card
      FROM payment_method m WHERE m.customer_id = p_customer AND m.payment_method_id = p_method FOR NO KEY UPDATE;
    IF v_card.state IS DISTINCT FROM 'ACTIVE' THEN
        RETURN 'unusable';
    ELSIF p_off_session AND v_card.mandate_type IS NULL THEN
        RETURN 'mandate';
    ELSIF v_card.retry_time > p_now THEN
        RETURN 'limit';
    ELSIF v_card.decline_times IS NOT NULL THEN
        v_room := v_room - (SELECT count(*) FROM unnest(v_card.decline_times) t WHERE t > p_now - card_tries_window());
    END IF;
    -- Nearly always fewer are on their way, whatever they charge.  Two statements: the second is dear even where it is not run.
    PERFORM FROM obligation o WHERE o.customer_id = p_customer AND o.kind = 'payment.resolve' OFFSET v_room - 1 LIMIT 1;
    IF FOUND THEN
        IF v_room <= (SELECT count(*) FROM obligation o, payment p, payment_method m
                       WHERE o.customer_id = p_customer AND o.kind = 'payment.resolve'
                         AND p.customer_id = p_customer AND p.payment_id = o.subject_id AND p.state = 'PROCESSING'
                         AND m.customer_id = p_customer AND m.payment_method_id = p.payment_method_id
                         AND (m.payment_method_id = p_method
                              OR m.fingerprint <> '' AND m.fingerprint = v_card.fingerprint AND m.gateway = v_card.gateway)) THEN
            RETURN 'busy';
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- A charge was declined: it counts for the card, under whichever of the customer's methods that is stored.
CREATE OR REPLACE FUNCTION payment_method_declined(p_customer uuid, p_method uuid, p_code text, p_network_code text,
                                                   p_advice text, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_card record;
    v_times timestamptz[];
    v_state text;
BEGIN
    SELECT m.gateway, m.fingerprint, m.brand, m.decline_times INTO STRICT v_card
      FROM payment_method m WHERE m.customer_id = p_customer AND m.payment_method_id = p_method FOR NO KEY UPDATE;
    v_times := ARRAY(SELECT t FROM unnest(v_card.decline_times || p_now) t WHERE t > p_now - card_tries_window() ORDER BY t);
    IF cardinality(v_times) > card_tries_max() THEN
        v_times := v_times[cardinality(v_times) - card_tries_max() + 1 :];
    END IF;
    v_state := CASE WHEN decline_ends_method(p_code) THEN 'UNUSABLE'
                    WHEN decline_stops_method(p_code, p_network_code, p_advice, v_card.brand) THEN 'STOPPED' END;
    UPDATE payment_method m
       SET decline_times = v_times,
           retry_time = CASE WHEN cardinality(v_times) >= card_tries_max() THEN v_times[1] + card_tries_window() END,
           state = CASE WHEN v_state IS NULL OR m.state IN ('UNUSABLE', 'DELETED') THEN m.state ELSE v_state END,
           stop_code = CASE WHEN v_state IS NULL OR m.state IN ('UNUSABLE', 'DELETED') THEN m.stop_code ELSE p_code END,
           version = m.version + 1
     WHERE m.customer_id = p_customer
       AND (m.payment_method_id = p_method
            OR m.fingerprint <> '' AND m.fingerprint = v_card.fingerprint AND m.gateway = v_card.gateway);
END $$;

-- When the notice of a card's expiry falls due: 30 days before the end of the month that stands on it.
CREATE OR REPLACE FUNCTION card_expiry_end(p_exp_year integer, p_exp_month integer) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_exp_year > 0 AND p_exp_month > 0
                THEN (make_timestamp(p_exp_year, p_exp_month, 1, 0, 0, 0) + interval '1 month') AT TIME ZONE 'UTC' END
$$;

-- Makes the notice owed that is owed: for the card that the customer's live membership renews with, once an expiry.
-- For every step after which that may be another one.
CREATE OR REPLACE FUNCTION payment_method_watch(p_customer uuid, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_card record;
    v_key text;
BEGIN
    SELECT w.payment_method_id, w.exp_year * 100 + w.exp_month AS expiry, card_expiry_end(w.exp_year, w.exp_month) AS end_time,
           w.notified_expiry INTO v_card
      FROM membership m
      JOIN payment_method w ON w.customer_id = m.customer_id AND w.payment_method_id = m.payment_method_id
     WHERE m.customer_id = p_customer AND m.state IN ('TRIALING', 'ACTIVE', 'PAST_DUE') AND w.state <> 'DELETED';
    IF FOUND AND v_card.end_time > p_now AND v_card.notified_expiry <> v_card.expiry THEN
        v_key := v_card.payment_method_id || ':' || v_card.expiry;
    END IF;
    DELETE FROM obligation o
     WHERE o.customer_id = p_customer AND o.kind = 'payment_method.expiry' AND o.business_key IS DISTINCT FROM v_key;
    IF v_key IS NOT NULL THEN
        PERFORM obligation_add(p_customer, 'payment_method.expiry', v_key, v_card.payment_method_id,
                               v_card.end_time - interval '720 hours', true, p_now);
    END IF;
END $$;

-- What an event tells of a card.
CREATE OR REPLACE FUNCTION payment_method_event(p_customer uuid, p_type text, p_method uuid, p_more jsonb, p_now timestamptz)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_data jsonb;
BEGIN
    SELECT jsonb_build_object('brand', m.brand, 'last4', m.last4, 'exp_month', m.exp_month, 'exp_year', m.exp_year,
                              'state', m.state, 'is_default', coalesce(c.default_payment_method_id = p_method, false)) || p_more
      INTO STRICT v_data
      FROM payment_method m JOIN customer c ON c.customer_id = m.customer_id WHERE c.customer_id = p_customer AND m.customer_id = p_customer AND m.payment_method_id = p_method;
    RETURN event_append(p_customer, p_type, p_method, v_data, p_now);
END $$;

-- The notice is due.  The event goes out while a membership still renews with the card.  False: the lease was lost.
CREATE OR REPLACE FUNCTION payment_method_notice(p_customer uuid, p_method uuid, p_business_key text, p_epoch bigint,
                                                 p_now timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_membership uuid;
BEGIN
    PERFORM 1 FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    DELETE FROM obligation o WHERE o.customer_id = p_customer AND o.kind = 'payment_method.expiry'
        AND o.business_key = p_business_key AND o.epoch = p_epoch;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT m.membership_id INTO v_membership FROM membership m
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_method AND m.state IN ('TRIALING', 'ACTIVE', 'PAST_DUE')
       AND NOT m.cancel_at_period_end;
    IF FOUND THEN
        UPDATE payment_method m SET notified_expiry = m.exp_year * 100 + m.exp_month
         WHERE m.customer_id = p_customer AND m.payment_method_id = p_method AND m.state <> 'DELETED'
           AND m.notified_expiry <> m.exp_year * 100 + m.exp_month
           AND p_business_key = m.payment_method_id || ':' || (m.exp_year * 100 + m.exp_month);
        IF FOUND THEN
            PERFORM payment_method_event(p_customer, 'payment_method.expiring', p_method,
                                         jsonb_build_object('membership', v_membership), p_now);
        END IF;
    END IF;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION payment_method_notice(uuid, uuid, text, bigint, timestamptz) TO dues_service;

-- Stores one.  `p_is_default` is what the answer says: the customer has no default yet.  Outcomes of request_record,
-- and 'changed': another method became the default meanwhile; nothing was written, look again.
-- A card that was stored before keeps its count of declines: the networks count cards, not our rows.
DROP FUNCTION IF EXISTS payment_method_create(uuid, request_key, bytea, uuid, text, bytea, text, text, integer, integer,
                                              boolean, timestamptz);
CREATE OR REPLACE FUNCTION payment_method_create(p_customer uuid, p_key request_key, p_answer bytea, p_method uuid,
                                                 p_gateway text, p_token_sealed bytea, p_card card_told,
                                                 p_mandate mandate_given, p_is_default boolean, p_now timestamptz,
                                                 OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_same record;
BEGIN
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_method, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    IF p_is_default THEN
        UPDATE customer c SET default_payment_method_id = p_method
         WHERE c.customer_id = p_customer
           AND (c.default_payment_method_id IS NULL OR c.default_payment_method_id = p_method);
        IF NOT FOUND THEN
            PERFORM request_forget(p_customer, p_key);
            outcome := 'changed';
            RETURN;
        END IF;
    END IF;
    SELECT m.decline_times, m.retry_time INTO v_same FROM payment_method m
     WHERE m.customer_id = p_customer AND m.gateway = p_gateway AND m.fingerprint = p_card.fingerprint
       AND m.fingerprint <> '' AND m.decline_times IS NOT NULL
     ORDER BY m.payment_method_id DESC LIMIT 1;
    INSERT INTO payment_method (customer_id, payment_method_id, gateway, token_sealed, brand, last4, exp_month, exp_year,
                                fingerprint, state, decline_times, retry_time, mandate_type, mandate_accept_time,
                                mandate_ip_address, mandate_user_agent, mandate_text_version, create_time)
    VALUES (p_customer, p_method, p_gateway, p_token_sealed, p_card.brand, p_card.last4, p_card.exp_month, p_card.exp_year,
            p_card.fingerprint, 'ACTIVE', v_same.decline_times, v_same.retry_time, p_mandate.type, p_mandate.accept_time,
            p_mandate.ip_address, p_mandate.user_agent, p_mandate.text_version, p_now)
    ON CONFLICT ON CONSTRAINT payment_method_pkey DO NOTHING;
END $$;
GRANT EXECUTE ON FUNCTION payment_method_create(uuid, request_key, bytea, uuid, text, bytea, card_told, mandate_given,
                                                boolean, timestamptz) TO dues_service;

-- The live membership that renewed with `p_from` renews with `p_to` from now on; the same method: with its new data.  What
-- was declined was the card as it was, so a retry that waited for another one is sent when it falls due.
CREATE OR REPLACE FUNCTION membership_follow(p_customer uuid, p_from uuid, p_to uuid, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_membership uuid;
BEGIN
    UPDATE membership m
       SET payment_method_id = p_to, version = m.version + 1, decline_code = NULL, decline_time = NULL, update_time = p_now,
           next_charge_time = CASE m.state WHEN 'PAST_DUE'
               THEN (SELECT o.due_time FROM obligation o WHERE o.customer_id = p_customer AND o.kind = 'membership.retry'
                        AND o.subject_id = m.membership_id)
               ELSE m.next_charge_time END
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_from AND m.state IN ('TRIALING', 'ACTIVE', 'PAST_DUE')
    RETURNING m.membership_id INTO v_membership;
    IF FOUND AND p_from <> p_to THEN
        PERFORM event_append(p_customer, 'membership.payment_method_changed', v_membership,
                             jsonb_build_object('payment_method', p_to), p_now);
    END IF;
END $$;

-- Changes what may be changed: the default, the expiry, the consent.  `p_version` and `p_was_default` are what the caller
-- read; 'changed': it is not so any more, nothing was written, look again.  Outcomes of request_record besides.
-- A card with another expiry is a card with other data: STOPPED ends.  `p_is_told`: its gateway must hear of it.
DROP FUNCTION IF EXISTS payment_method_update(uuid, request_key, bytea, uuid, bigint, boolean, boolean, integer, integer,
                                              mandate_given, timestamptz);
CREATE OR REPLACE FUNCTION payment_method_update(p_customer uuid, p_key request_key, p_answer bytea, p_method uuid,
                                                 p_version bigint, p_was_default boolean, p_is_default boolean,
                                                 p_exp_month integer, p_exp_year integer, p_mandate mandate_given,
                                                 p_is_told boolean, p_now timestamptz,
                                                 OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_default uuid;
    v_card payment_method%ROWTYPE;
BEGIN
    SELECT c.default_payment_method_id INTO v_default FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_method, p_answer, p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    SELECT * INTO v_card FROM payment_method m
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_method FOR NO KEY UPDATE;
    IF v_card.version IS DISTINCT FROM p_version OR v_card.state = 'DELETED'
       OR (v_default IS NOT DISTINCT FROM p_method) <> p_was_default THEN
        PERFORM request_forget(p_customer, p_key);
        outcome := 'changed';
        RETURN;
    END IF;
    UPDATE payment_method m
       SET version = m.version + 1, exp_month = p_exp_month, exp_year = p_exp_year,
           state = CASE WHEN m.state = 'STOPPED' AND (m.exp_month, m.exp_year) <> (p_exp_month, p_exp_year) THEN 'ACTIVE'
                        ELSE m.state END,
           mandate_type = p_mandate.type, mandate_accept_time = p_mandate.accept_time,
           mandate_ip_address = p_mandate.ip_address, mandate_user_agent = p_mandate.user_agent,
           mandate_text_version = p_mandate.text_version
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_method;
    IF p_is_default AND NOT p_was_default THEN
        UPDATE customer c SET default_payment_method_id = p_method WHERE c.customer_id = p_customer;
        IF v_default IS NOT NULL AND p_mandate.type IS NOT NULL AND v_card.state <> 'UNUSABLE' THEN
            PERFORM membership_follow(p_customer, v_default, p_method, p_now);
        END IF;
    END IF;
    IF p_is_told AND (v_card.exp_month, v_card.exp_year) <> (p_exp_month, p_exp_year) THEN
        PERFORM obligation_add(p_customer, 'payment_method.update', p_method::text, p_method, clock_timestamp(), false, p_now);
    END IF;
    IF (v_card.exp_month, v_card.exp_year) <> (p_exp_month, p_exp_year)
       OR v_card.mandate_type IS NULL AND p_mandate.type IS NOT NULL THEN
        PERFORM membership_follow(p_customer, p_method, p_method, p_now);
    END IF;
    PERFORM payment_method_event(p_customer, 'payment_method.updated', p_method,
                                 jsonb_build_object('by', 'request'), p_now);
    PERFORM payment_method_watch(p_customer, p_now);
END $$;
GRANT EXECUTE ON FUNCTION payment_method_update(uuid, request_key, bytea, uuid, bigint, boolean, boolean, integer, integer,
                                                mandate_given, boolean, timestamptz) TO dues_service;

-- The gateway has heard the expiry, or refuses it.  False: it is another by now, and the gateway must hear again.
CREATE OR REPLACE FUNCTION payment_method_told(p_customer uuid, p_method uuid, p_business_key text, p_epoch bigint,
                                               p_exp_month integer, p_exp_year integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_card payment_method%ROWTYPE;
BEGIN
    -- Locked whatever it says: who changes it now finds no obligation any more, and adds one.
    SELECT * INTO v_card FROM payment_method m
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_method FOR NO KEY UPDATE;
    IF v_card.state <> 'DELETED' AND (v_card.exp_month, v_card.exp_year) <> (p_exp_month, p_exp_year) THEN
        RETURN false;
    END IF;
    DELETE FROM obligation o WHERE o.customer_id = p_customer AND o.kind = 'payment_method.update'
       AND o.business_key = p_business_key AND o.epoch = p_epoch;
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION payment_method_told(uuid, uuid, text, bigint, integer, integer) TO dues_service;

-- The gateway tells other data of the card: its bank has renewed or replaced it.  False: nothing is new, or what is new is
-- what the gateway has not heard yet; once it has, it tells again.
CREATE OR REPLACE FUNCTION payment_method_refresh(p_customer uuid, p_method uuid, p_card card_told, p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    PERFORM 1 FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    UPDATE payment_method m
       SET version = m.version + 1, brand = p_card.brand, last4 = p_card.last4, exp_month = p_card.exp_month,
           exp_year = p_card.exp_year, fingerprint = p_card.fingerprint,
           state = CASE m.state WHEN 'STOPPED' THEN 'ACTIVE' ELSE m.state END
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_method AND m.state <> 'DELETED'
       AND (m.brand, m.last4, m.exp_month, m.exp_year) IS DISTINCT FROM
           (p_card.brand, p_card.last4, p_card.exp_month, p_card.exp_year)
       AND NOT EXISTS (SELECT FROM obligation o WHERE o.customer_id = p_customer AND o.kind = 'payment_method.update'
                          AND o.business_key = p_method::text);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM membership_follow(p_customer, p_method, p_method, p_now);
    PERFORM payment_method_event(p_customer, 'payment_method.updated', p_method, jsonb_build_object('by', 'gateway'), p_now);
    PERFORM payment_method_watch(p_customer, p_now);
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION payment_method_refresh(uuid, uuid, card_told, timestamptz) TO dues_service;

-- Is it not known yet what became of charges of it?  Then its token is needed to send them again, and to find them at the
-- gateway: by the server, or by whoever decides about an attempt in people's hands.
CREATE OR REPLACE FUNCTION payment_method_is_asked_about(p_customer uuid, p_method uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = dues, pg_temp AS $$
    SELECT EXISTS (SELECT FROM obligation o, payment p
                    WHERE o.customer_id = p_customer AND o.kind = 'payment.resolve' AND p.customer_id = p_customer
                      AND p.payment_id = o.subject_id AND p.payment_method_id = p_method)
        OR EXISTS (SELECT FROM attempt a, payment p
                    WHERE a.customer_id = p_customer AND a.operation IN ('CHARGE', 'AUTHORIZE') AND a.state = 'MANUAL'
                      AND p.customer_id = p_customer AND p.payment_id = a.payment_id AND p.payment_method_id = p_method)
$$;
GRANT EXECUTE ON FUNCTION payment_method_is_asked_about(uuid, uuid) TO dues_service;

-- Forgets the token; the row stays for what was paid with it.  Deleting it twice is deleting it once.  `p_is_told`: the
-- gateway must hear of it, and the token is needed until it has.
-- Outcomes of request_record, and, with nothing written, 'absent', 'in_use': a live membership renews with it and no
-- default is there to take its place, 'in_flight': what became of a charge of it is not known.
DROP FUNCTION IF EXISTS payment_method_delete(uuid, request_key, uuid, timestamptz);
CREATE OR REPLACE FUNCTION payment_method_delete(p_customer uuid, p_key request_key, p_method uuid, p_is_told boolean,
                                                 p_now timestamptz,
                                                 OUT outcome text, OUT answer bytea, OUT object_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
DECLARE
    v_default uuid;
    v_heir uuid;    -- the default, when it can take over
    v_state text;
    v_refused text;
BEGIN
    SELECT c.default_payment_method_id INTO v_default FROM customer c WHERE c.customer_id = p_customer FOR NO KEY UPDATE;
    SELECT r.outcome, r.answer, r.object_id INTO outcome, answer, object_id
      FROM request_record(p_customer, p_key, p_method, '', p_now) r;
    IF outcome <> 'new' THEN
        RETURN;
    END IF;
    SELECT m.state INTO v_state FROM payment_method m
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_method FOR NO KEY UPDATE;
    IF v_state = 'DELETED' THEN
        RETURN;
    END IF;
    SELECT d.payment_method_id INTO v_heir FROM payment_method d
     WHERE d.customer_id = p_customer AND d.payment_method_id = v_default AND d.payment_method_id <> p_method
       AND d.state = 'ACTIVE' AND d.mandate_type IS NOT NULL;
    IF v_state IS NULL THEN
        v_refused := 'absent';
    ELSIF payment_method_is_asked_about(p_customer, p_method) THEN
        v_refused := 'in_flight';
    ELSIF v_heir IS NULL
          AND EXISTS (SELECT FROM membership m WHERE m.customer_id = p_customer AND m.payment_method_id = p_method
                         AND m.state IN ('TRIALING', 'ACTIVE', 'PAST_DUE') AND NOT m.cancel_at_period_end) THEN
        v_refused := 'in_use';
    END IF;
    IF v_refused IS NOT NULL THEN
        PERFORM request_forget(p_customer, p_key);
        outcome := v_refused;
        RETURN;
    END IF;
    UPDATE payment_method m
       SET state = 'DELETED', token_sealed = CASE WHEN p_is_told THEN m.token_sealed ELSE '' END, delete_time = p_now,
           version = m.version + 1
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_method;
    IF p_is_told THEN
        PERFORM obligation_add(p_customer, 'payment_method.detach', p_method::text, p_method, clock_timestamp(), false, p_now);
    END IF;
    IF v_default = p_method THEN
        -- Only without a membership to renew: whoever has cards has a default.
        UPDATE customer c
           SET default_payment_method_id =
               (SELECT m.payment_method_id FROM payment_method m WHERE m.customer_id = p_customer AND m.state = 'ACTIVE'
                 ORDER BY m.create_time DESC, m.payment_method_id DESC LIMIT 1)
         WHERE c.customer_id = p_customer;
    ELSIF v_heir IS NOT NULL THEN
        PERFORM membership_follow(p_customer, p_method, v_heir, p_now);
    END IF;
    PERFORM payment_method_event(p_customer, 'payment_method.deleted', p_method, '{}', p_now);
    PERFORM payment_method_watch(p_customer, p_now);
END $$;
GRANT EXECUTE ON FUNCTION payment_method_delete(uuid, request_key, uuid, boolean, timestamptz) TO dues_service;

-- The gateway has let go of a deleted card.  False: the lease was lost.
CREATE OR REPLACE FUNCTION payment_method_detached(p_customer uuid, p_method uuid, p_business_key text, p_epoch bigint)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = dues, pg_temp AS $$
BEGIN
    DELETE FROM obligation o WHERE o.customer_id = p_customer AND o.kind = 'payment_method.detach'
       AND o.business_key = p_business_key AND o.epoch = p_epoch;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE payment_method m SET token_sealed = ''
     WHERE m.customer_id = p_customer AND m.payment_method_id = p_method AND m.state = 'DELETED';
    RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION payment_method_detached(uuid, uuid, text, bigint) TO dues_service;
