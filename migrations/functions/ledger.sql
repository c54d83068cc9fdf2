-- The ledger's only door.
--
-- Accounts, by name: 'gateway_clearing:<gateway>' what a gateway owes us; 'customer_receivable' what the
-- customer owes us; 'revenue'; 'refunds' (reduces revenue); 'suspense' money whose reason nobody knows yet.
--   payment of its own   gateway_clearing +  revenue -
--   payment of an invoice gateway_clearing +  customer_receivable -   (the invoice posted receivable +, revenue -)
--   refund               refunds +           gateway_clearing -

-- Posts one group once.  A group that does not sum to zero is our own bug: it raises, and the step with it.
CREATE OR REPLACE FUNCTION ledger_post(p_customer uuid, p_group uuid, p_kind text, p_lines ledger_line[], p_now timestamptz)
RETURNS void
LANGUAGE plpgsql SET search_path = dues, pg_temp AS $$
BEGIN
    IF coalesce(cardinality(p_lines), 0) < 2
       OR EXISTS (SELECT FROM unnest(p_lines) l GROUP BY l.currency HAVING sum(l.amount) <> 0) THEN
        RAISE EXCEPTION 'ledger group "%" of % does not sum to zero', p_kind, p_group
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_group_sums_to_zero';
    END IF;
    INSERT INTO ledger_entry (customer_id, group_id, kind, line_no, account, currency, amount, create_time)
    SELECT p_customer, p_group, p_kind, l.ordinality, l.account, l.currency, l.amount, p_now
      FROM unnest(p_lines) WITH ORDINALITY l;
END $$;
