-- Telemetry asks two things that no index answered.
SET search_path = dues;

-- Attempts that wait for their outcome, through what their resolver owes.  Neither column ever changes, so moving an
-- obligation stays a heap-only update; an index on the attempt's state would cost every payment that.
CREATE INDEX obligation_resolving ON obligation (create_time) WHERE kind IN ('payment.resolve', 'refund.resolve');

-- What was posted lately.  The ledger grows at its end in the order of time, so a few bytes for 128 pages will do.
CREATE INDEX ledger_entry_lately ON ledger_entry USING brin (create_time) WITH (autosummarize = on);
