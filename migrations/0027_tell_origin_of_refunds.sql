-- A refund that somebody made at the gateway's desk is a refund of the payment, once people have said so.
SET search_path = dues;

-- 'GATEWAY': nobody asked dues for it; an incident that was resolved has recorded it.
CREATE DOMAIN refund_origin AS text CONSTRAINT refund_origin_known CHECK (VALUE IN ('REQUEST', 'GATEWAY'));
ALTER TABLE refund ADD COLUMN origin refund_origin NOT NULL DEFAULT 'REQUEST';
ALTER TYPE refund_result ADD ATTRIBUTE origin text;
