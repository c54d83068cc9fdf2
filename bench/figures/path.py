"""The calls themselves: a payment beside pgbench, reads beside an empty call, the empty call beside the bare C core."""

import os

from house import Failed
from messages import part
from people import EMPTY, MEMBERSHIP, PAYMENT
from report import at_least, missing, row
from rounds import best, interleave, median, ratio

NAMES = ("create", "get", "check", "stale", "empty")

CREATE, GET, CHECK, STALE = "CreatePayment", "GetPayment", "CheckEntitlement", "CheckEntitlement, max_staleness 5 s"
EMPTY_CALL, ECHO = "empty call (Health/Check)", "bare C core, echo"
PGBENCH, PGBENCH_CHECK = "pgbench: payment_create, payment_finish", "pgbench: entitlement_facts"

# What a name has measured, and in which order the series take turns.
SERIES = {
    "create": (CREATE, PGBENCH),
    "get": (GET, EMPTY_CALL),
    "check": (EMPTY_CALL, CHECK, PGBENCH_CHECK),
    "stale": (STALE, EMPTY_CALL),
    "empty": (EMPTY_CALL, ECHO),
}
# What writes comes last, and what reads waits until that is cleaned up.
ORDER = (GET, CHECK, EMPTY_CALL, STALE, ECHO, PGBENCH_CHECK, CREATE, PGBENCH)

# The ids grow with time, as the server's do, so that new rows go to the right edge of their index.
AN_ID = "(lpad(to_hex(:base::bigint + :k::bigint), 12, '0') || '{kind}8000' || lpad(:client_id::text, 12, '0'))"
CREATE_SQL = r"""
\set k :k + 1
\set n random(1, :customers)
SELECT outcome FROM bench.customer b, LATERAL dues.payment_create(b.customer_id,
    ROW('spiffe://dues.local/service/pgbench', '{method}', {payment}, sha256({payment}::bytea))::dues.request_key,
    ROW({payment}::uuid, {attempt}::uuid, b.payment_method_id, NULL, 'USD', 999, 'bench', 'sandbox', {attempt}, false,
        22000, false)::dues.charge_intent, now()) WHERE b.n = :n;
SELECT outcome FROM bench.customer b, LATERAL dues.payment_finish(b.customer_id,
    ROW({payment}::uuid, {attempt}::uuid, 1, 'SUCCEEDED', 'ch_' || {payment}, 999, '', '', '', '', NULL, NULL,
        NULL)::dues.settlement,
    '{method}', decode(repeat('0a', 250), 'hex'), now()) WHERE b.n = :n;
"""
CHECK_SQL = r"""
\set n random(1, :customers)
SELECT f.* FROM bench.customer b, LATERAL dues.entitlement_facts(b.customer_id, 'video.hd', now()) f WHERE b.n = :n;
"""


def scripts(house):
    """Paths of the two scripts of pgbench."""
    sql = {"create.sql": CREATE_SQL.format(method=PAYMENT + "CreatePayment", payment=AN_ID.format(kind="7000"),
                                           attempt=AN_ID.format(kind="7001")), "check.sql": CHECK_SQL}
    paths = []
    for name, text in sql.items():
        paths.append(os.path.join(house.directory, name))
        with open(paths[-1], "w", encoding="utf-8") as file:
            file.write(text)
    return paths


def make_series(context):
    house = context.house()
    create = house.write("create.hex", [one.create_payment() for one in context.members()])
    get = house.write("get.hex", [part(1, name) for name in context.payments()])
    check = house.write("check.hex", [one.check_entitlement() for one in context.members()])
    stale = house.write("stale.hex", [one.check_entitlement(5) for one in context.members()])
    empty = house.write("empty.hex", [b""])
    create_sql, check_sql = scripts(house)
    series = {
        CREATE: lambda in_flight=64, seconds=None: house.load(house.main, PAYMENT + "CreatePayment", create,
                                                              in_flight=in_flight, seconds=seconds),
        PGBENCH: lambda clients=16, seconds=None: house.pgbench(create_sql, clients, seconds),
        PGBENCH_CHECK: lambda clients=16, seconds=None: house.pgbench(check_sql, clients, seconds),
        GET: lambda: house.load(house.main, PAYMENT + "GetPayment", get),
        CHECK: lambda: house.load(house.main, MEMBERSHIP + "CheckEntitlement", check),
        STALE: lambda: house.load(house.main, MEMBERSHIP + "CheckEntitlement", stale),
        EMPTY_CALL: lambda: house.load(house.main, EMPTY, empty),
    }
    echo = house.start_echo(EMPTY)
    series[ECHO] = lambda: house.load(echo, EMPTY, empty)
    return series


def at_their_best(series, options, failures):
    """Each side of the comparison at the concurrency that suits it; answers which."""
    chosen = {}
    for name, choices in ((CREATE, options.in_flights), (PGBENCH, options.clients), (PGBENCH_CHECK, options.clients)):
        if name not in series:
            continue
        measure_at = series[name]
        try:
            chosen[name] = best(lambda n, measure_at=measure_at: measure_at(n, options.probe_seconds), choices)
        except Failed as problem:
            failures[name] = str(problem)
            del series[name]
            continue
        series[name] = lambda measure_at=measure_at, name=name: measure_at(chosen[name])
    return chosen


def cpu_row(call, measured):
    if call not in measured:
        return missing(f"CPU of duesd per {call}", "printed", "not measured")
    values = measured[call]
    return row(f"CPU of duesd per {call}", "printed", f"{median(values, 'cpu_us'):.0f} µs", None,
               f"the client takes {median(values, 'client_us'):.0f} µs")


def compare(measured, failures, figure, one, other, least, detail=""):
    """The row of one series beside another."""
    for name in (one, other):
        if name not in measured:
            return missing(figure, f"≥ {least:g}", failures.get(name, "not in this build"))
    rates = f"{median(measured[one], 'per_second'):.0f} to {median(measured[other], 'per_second'):.0f} a second"
    return at_least(figure, ratio(measured[one], measured[other]), least, rates + detail)


def rows_of(name, measured, failures, chosen):
    def beside(figure, one, other, least, detail=""):
        return compare(measured, failures, figure, one, other, least, detail)

    if name == "create":
        return [beside("CreatePayment / pgbench", CREATE, PGBENCH, 1.2,
                       f"; {chosen.get(CREATE)} in flight, {chosen.get(PGBENCH)} clients of pgbench"), cpu_row(CREATE, measured)]
    if name == "get":
        return [beside("GetPayment / empty call", GET, EMPTY_CALL, 0.5)]
    if name == "check":
        return [beside("CheckEntitlement, the truth / empty call", CHECK, EMPTY_CALL, 0.5), cpu_row(CHECK, measured)]
    if name == "stale":
        return [beside("CheckEntitlement with max_staleness / empty call", STALE, EMPTY_CALL, 0.85)]
    return [beside("empty call / bare C core", EMPTY_CALL, ECHO, 0.85), cpu_row(EMPTY_CALL, measured)]


def measure(context, names):
    series, failed = make_series(context), {}
    wanted = {one for name in names for one in SERIES[name]}
    series = {name: series[name] for name in ORDER if name in wanted and name in series}
    chosen = at_their_best(series, context.options, failed)
    measured, failures = interleave(series, context.options.rounds, context.house().settle)
    failures.update(failed)
    return {name: {"rows": rows_of(name, measured, failures, chosen),
                   "series": {one: measured[one] for one in SERIES[name] if one in measured}} for name in names}
