-- The ledger's only door.
--
-- Accounts, by name; a debit is positive, a credit negative:
--   'gateway_clearing:<gateway>'  what the gateway owes us
--   'customer_receivable'         what the customer owes us
--   'revenue', 'bad_debt'
--   'refunds'                     reduces revenue
--   'suspense'                    money that moved and whose reason nobody knows yet
--
--   invoice   customer_receivable +  revenue -               (invoice.sql)
--   charge    gateway_clearing +     customer_receivable -   (without an invoice: revenue -)
--   refund    refunds +              gateway_clearing -
--   suspense  gateway_clearing +     suspense -              (a refund: the other way round)

-- Posts one group once; true.  A group that does not sum to zero is our own bug: it raises, and the step with it.
DROP FUNCTION IF EXISTS ledger_post(uuid, uuid, text, ledger_line[], timestamptz);
CREATE OR REPLACE FUNCTION ledger_post(p_customer uuid, p_group uuid, p_kind text, p_lines ledger_line[], p_now timestamptz)
RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    -- Two lines of one currency, as nearly all are, are added up without a query.
    IF cardinality(p_lines) = 2 AND p_lines[1].currency = p_lines[2].currency
       AND p_lines[1].amount + p_lines[2].amount = 0 THEN
        NULL;
    ELSIF coalesce(cardinality(p_lines), 0) < 2
       OR EXISTS (SELECT FROM unnest(p_lines) l GROUP BY l.currency HAVING sum(l.amount) <> 0) THEN
        RAISE EXCEPTION 'ledger group "%" of % does not sum to zero', p_kind, p_group
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_group_sums_to_zero';
    END IF;
    INSERT INTO ledger_entry (customer_id, group_id, kind, line_no, account, currency, amount, create_time)
    SELECT p_customer, p_group, p_kind, l.ordinality, l.account, l.currency, l.amount, p_now
      FROM unnest(p_lines) WITH ORDINALITY l;
    RETURN true;
END $$;
