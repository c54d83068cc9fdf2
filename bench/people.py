"""Customers to measure with, made through the API; and many more of them, as copies of one."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from messages import FRESH, part, text

PAYMENT = "/dues.payment.v1.PaymentService/"
MEMBERSHIP = "/dues.membership.v1.MembershipService/"
AUTH = "/dues.auth.v1.AuthService/"
EMPTY = "/grpc.health.v1.Health/Check"
ENTITLEMENT = "video.hd"

# Of a payment method: consent to renewals.
MANDATE = part(11, part(1, 1) + part(5, "bench"))

# Rows of one customer, for its copies; the many first.
TABLES = ("ledger_entry", "event", "recorded_request", "attempt", "payment", "gateway_transaction", "membership", "invoice",
          "invoice_line", "invoice_payment", "obligation", "payment_method", "customer")

# Ids that grow with time, as the server's do.
MAKE_IDS = """
CREATE SCHEMA bench;
GRANT USAGE ON SCHEMA bench TO dues_service;
CREATE TABLE bench.customer AS SELECT n::integer, (lpad(to_hex(1767000000000 + n), 12, '0') || '7' || substr(md5('a' || n), 1, 3)
    || '8' || substr(md5('b' || n), 1, 15))::uuid AS customer_id, '{method}'::uuid AS payment_method_id
  FROM generate_series(1, {count}) n;
GRANT SELECT ON bench.customer TO dues_service;
"""

# Foreign keys hold among the copies as they hold among the originals.  Which of 64 buckets an obligation falls into
# follows from its customer.
COPY = """
SET search_path = dues;
SET session_replication_role = replica;
DO $do$
DECLARE
    v_columns text;
BEGIN
    SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) INTO v_columns
      FROM information_schema.columns
     WHERE table_schema = 'dues' AND table_name = '{table}' AND column_name NOT IN ('customer_id', 'bucket');
    EXECUTE format('INSERT INTO {table} (customer_id {bucket}, %s) SELECT b.customer_id {value}, %s FROM bench.customer b,'
                   ' {table} t WHERE t.customer_id = %L ORDER BY b.n', v_columns,
                   't.' || replace(v_columns, ', ', ', t.'), '{customer}');
END $do$;
VACUUM ANALYZE {table};
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

    def check_entitlement(self, max_staleness=0):
        """`max_staleness` in seconds; 0: the truth."""
        staleness = part(3, part(1, max_staleness)) if max_staleness else b""
        return part(1, self.customer) + part(2, ENTITLEMENT) + staleness


def with_cards(house, customers, server=None):
    """Gives each a card."""
    card = part(2, part(2, "tok_visa") + MANDATE)
    replies = house.ask(PAYMENT + "CreatePaymentMethod", [part(1, customer) + card for customer in customers], server=server)
    methods = [text(reply, 1) for reply in replies]
    return [Member("/".join(method.split("/")[:2]), method) for method in methods]


def make_members(house, count):
    """Through the API, as everybody is made."""
    customers = [text(reply, 1) for reply in house.ask(MEMBERSHIP + "CreateCustomer", [b""] * count)]
    members = with_cards(house, customers)
    house.ask(MEMBERSHIP + "CreateMembership", [part(1, member.customer) + part(2, part(2, "plans/premium-monthly")
                                                + part(5, member.method)) + part(3, 1) + part(4, FRESH)
                                                for member in members])
    return members


def make_payments(house, members):
    """The names of the payments, one of each."""
    return [text(reply, 1) for reply in house.ask(PAYMENT + "CreatePayment", [one.create_payment() for one in members])]


def copy_table(house, database, member, table):
    bucket = (", bucket", ", get_byte(uuid_send(b.customer_id), 15) %% 64") if table == "obligation" else ("", "")
    house.query(COPY.format(table=table, customer=member.customer.split("/")[1], bucket=bucket[0], value=bucket[1]),
                database)


def make_copies(house, database, member, count):
    """A database in which `count` customers have what this one has."""
    house.query(MAKE_IDS.format(count=count, method=member.method.split("/")[3]), database)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda table: copy_table(house, database, member, table), TABLES))
    house.query("ANALYZE; CHECKPOINT", database)


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
