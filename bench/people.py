"""Customers to measure with, made through the API; and many more of them, as copies of one."""

import os
import subprocess

from messages import FRESH, part, text

PAYMENT = "/dues.payment.v1.PaymentService/"
MEMBERSHIP = "/dues.membership.v1.MembershipService/"
AUTH = "/dues.auth.v1.AuthService/"
EMPTY = "/grpc.health.v1.Health/Check"
ENTITLEMENT = "video.hd"

# Rows of one customer, parents first, for its copies.
TABLES = ("customer", "payment_method", "membership", "invoice", "invoice_line", "invoice_payment", "payment", "attempt",
          "gateway_transaction", "ledger_entry", "event", "recorded_request", "obligation")

# Ids that grow with time, as the server's do; which of 64 buckets an obligation falls into follows from the customer.
COPIES = """
SET search_path = dues;
SET session_replication_role = replica;  -- foreign keys hold among copies when they hold among originals
SET work_mem = '256MB';
SET maintenance_work_mem = '1GB';
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO dues_service;
CREATE TABLE bench.customer AS SELECT n::integer, (lpad(to_hex(1767000000000 + n), 12, '0') || '7' || substr(md5('a' || n), 1, 3)
    || '8' || substr(md5('b' || n), 1, 15))::uuid AS customer_id, '{method}'::uuid AS payment_method_id
  FROM generate_series(1, {count}) n;
GRANT SELECT ON bench.customer TO dues_service;
DO $do$
DECLARE
    v_table text;
    v_columns text;
BEGIN
    FOREACH v_table IN ARRAY '{{{tables}}}'::text[] LOOP
        SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) INTO v_columns
          FROM information_schema.columns
         WHERE table_schema = 'dues' AND table_name = v_table AND column_name NOT IN ('customer_id', 'bucket');
        EXECUTE format('INSERT INTO %1$I (customer_id %4$s, %2$s) SELECT b.customer_id %5$s, %3$s FROM bench.customer b, %1$I t'
                       ' WHERE t.customer_id = %6$L ORDER BY b.n', v_table, v_columns,
                       't.' || replace(v_columns, ', ', ', t.'),
                       CASE v_table WHEN 'obligation' THEN ', bucket' ELSE '' END,
                       CASE v_table WHEN 'obligation' THEN ', get_byte(uuid_send(b.customer_id), 15) % 64' ELSE '' END,
                       '{customer}');
    END LOOP;
END $do$;
VACUUM ANALYZE;
CHECKPOINT;
"""


class Member:
    """A customer with a card, a premium membership and a payment of 9.99 USD."""

    def __init__(self, customer, method):
        self.customer = customer
        self.method = method

    def create_payment(self):
        money = part(1, "USD") + part(2, 999)
        payment = part(2, money) + part(3, self.method) + part(9, "bench")
        return part(1, self.customer) + part(2, payment) + part(3, FRESH)

    def check_entitlement(self):
        return part(1, self.customer) + part(2, ENTITLEMENT)


def make_members(house, count):
    """Through the API, as everybody is made."""
    customers = [text(reply, 1) for reply in house.ask(MEMBERSHIP + "CreateCustomer", [b""] * count)]
    card = part(2, part(2, "tok_visa"))
    replies = house.ask(PAYMENT + "CreatePaymentMethod", [part(1, customer) + card for customer in customers])
    methods = [text(reply, 1) for reply in replies]
    members = [Member("/".join(method.split("/")[:2]), method) for method in methods]
    house.ask(MEMBERSHIP + "CreateMembership", [part(1, member.customer) + part(2, part(2, "plans/premium-monthly")
                                                + part(5, member.method)) + part(3, 1) + part(4, FRESH)
                                                for member in members])
    return members


def make_payments(house, members):
    """The names of the payments, one of each."""
    return [text(reply, 1) for reply in house.ask(PAYMENT + "CreatePayment", [one.create_payment() for one in members])]


def make_copies(house, database, member, count):
    """A database in which `count` customers have what this one has."""
    house.query(COPIES.format(count=count, customer=member.customer.split("/")[1], method=member.method.split("/")[3],
                              tables=",".join(TABLES)), database)


class User:
    """A logged-in user on a device: certificate NAME, access token in a file."""

    def __init__(self, house, name):
        self.name = name
        self.token = os.path.join(house.directory, f"{name}.token")
        password = part(2, "correct horse battery staple")
        # Over one connection with the app's certificate; its token opens nothing but the enrolment.
        signed_up = house.ask(AUTH + "SignUp", [part(1, f"{name}@example.com") + password + part(3, name)
                                                + part(4, f"sign-up-{name}")], "--certificate", "app-demo")[0]
        self.customer = text(signed_up, 2)
        self.write_token(text(signed_up, 3, 2))
        key = os.path.join(house.certificates, f"{name}.key")
        request = subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                                  "-keyout", key, "-subj", f"/CN={name}"], capture_output=True, text=True, check=True).stdout
        device = house.ask(AUTH + "EnrollDevice", [part(1, request) + part(2, name) + part(3, f"enrol-{name}")],
                           "--certificate", "app-demo", "--token", self.token)[0]
        with open(os.path.join(house.certificates, f"{name}.pem"), "w", encoding="ascii") as file:
            file.write(text(device, 3) + text(device, 4))
        session = house.ask(AUTH + "RefreshSession", [part(1, text(signed_up, 3, 4))], "--certificate", name)[0]
        self.write_token(text(session, 2))

    def write_token(self, token):
        with open(self.token, "w", encoding="ascii") as file:
            file.write(token + "\n")


def list_for_pgbench(house, members):
    rows = ",".join(f"({n}, '{one.customer.split('/')[1]}', '{one.method.split('/')[3]}')"
                    for n, one in enumerate(members, start=1))
    house.query("CREATE SCHEMA bench; GRANT USAGE ON SCHEMA bench TO dues_service;"
                "CREATE TABLE bench.customer (n integer PRIMARY KEY, customer_id uuid, payment_method_id uuid);"
                f"INSERT INTO bench.customer VALUES {rows}; GRANT SELECT ON bench.customer TO dues_service; ANALYZE")
