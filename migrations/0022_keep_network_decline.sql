-- What the card network said of a decline is kept where the decline is shown.
SET search_path = dues;

ALTER TABLE payment
    ADD COLUMN network_decline_code text NOT NULL DEFAULT '',   -- two characters; as that of its attempt
    ADD COLUMN advice text NOT NULL DEFAULT '';
ALTER TABLE membership
    ADD COLUMN network_decline_code text NOT NULL DEFAULT '',   -- of the charge that decline_code is of
    ADD COLUMN advice text NOT NULL DEFAULT '';
ALTER TYPE payment_result
    ADD ATTRIBUTE network_decline_code text,
    ADD ATTRIBUTE advice text;

UPDATE payment p SET network_decline_code = a.network_decline_code, advice = a.advice
  FROM attempt a
 WHERE a.customer_id = p.customer_id AND a.payment_id = p.payment_id AND a.operation IN ('CHARGE', 'AUTHORIZE')
   AND p.decline_code <> '' AND a.network_decline_code || a.advice <> '';
