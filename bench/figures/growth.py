"""The same calls with a thousand times the customers: databases of several sizes, in turns."""

import os
import time

from house import House, progress
from messages import part
from people import MEMBERSHIP, PAYMENT, Member, make_copies, make_members, make_payments, with_cards
from report import missing, row
from rounds import interleave, median, ratio

NAMES = ("growth",)
WITHIN = 0.2
# Requests prepared for each size, spread over all its customers.
REQUESTS_MAX = 50000
# Customers who pay: a card's token opens for its own customer only, so no copy of one will do.
PAYERS_MAX = 10000

SPREAD = """SELECT b.customer_id FROM bench.customer b WHERE b.n % greatest(1, {count} / {most}) = 0
             ORDER BY md5(b.n::text) LIMIT {most}"""


def open_house(context):
    """A cluster of its own: the other figures' rows are none of its business."""
    house = House(context.options, os.path.join(context.directory, "growth"))
    try:
        house.open()
        member = make_members(house, 1)[0]
        payment = make_payments(house, [member])[0]
        house.environment.kill_duesd()
        return house, member, payment
    except BaseException:
        house.close()
        raise


def requests_of(house, server, database, size, payment):
    """Files of requests for each call."""
    ids = house.query(SPREAD.format(count=size, most=REQUESTS_MAX), database).split()
    payment_id = payment.split("/")[3]
    members = [Member(f"customers/{one}", "") for one in ids]
    payers = with_cards(house, [one.customer for one in members[:PAYERS_MAX]], server)
    return {
        "CreatePayment": house.write(f"create-{size}.hex", [one.create_payment() for one in payers]),
        "GetPayment": house.write(f"get-{size}.hex", [part(1, f"{one.customer}/payments/{payment_id}") for one in members]),
        "CheckEntitlement": house.write(f"check-{size}.hex", [one.check_entitlement() for one in members]),
    }


PATHS = {"CreatePayment": PAYMENT + "CreatePayment", "GetPayment": PAYMENT + "GetPayment",
         "CheckEntitlement": MEMBERSHIP + "CheckEntitlement"}


def title(call, size):
    return f"{call}, {size:,} customers"


def load_and_wal(house, server, path, requests):
    """What a call adds to the write-ahead log tells of the pages that it touches for the first time since a checkpoint."""
    begun = house.query("SELECT pg_current_wal_insert_lsn()")
    figures = house.load(server, path, requests)
    written = float(house.query(f"SELECT pg_current_wal_insert_lsn() - '{begun}'"))
    share = house.options.seconds / (house.options.seconds + 1)
    return {**figures, "wal_kib": written * share / figures["calls"] / 1024}


def start_sizes(context, house, member, payment):
    """Series of all calls on all sizes."""
    series = {call: {} for call in PATHS}
    sizes = {}
    for size in context.options.sizes:
        begun, database = time.monotonic(), f"dues_{size}"
        house.query(f"CREATE DATABASE {database} TEMPLATE dues OWNER dues_owner;"
                    f"REVOKE ALL ON DATABASE {database} FROM PUBLIC; GRANT CONNECT ON DATABASE {database} TO dues_service",
                    "postgres")
        make_copies(house, database, member, size)
        server = house.start_duesd(f"growth-{size}", {}, database)
        files = requests_of(house, server, database, size, payment)
        sizes[size] = int(house.query(f"SELECT pg_database_size('{database}')")) // 1024 // 1024
        progress(f"{size} customers, {sizes[size]} MiB, in {time.monotonic() - begun:.0f} s")
        for call, path in PATHS.items():
            series[call][title(call, size)] = (lambda server=server, path=path, file=files[call]:
                                               load_and_wal(house, server, path, file))
    return {name: one for call in series.values() for name, one in call.items()}, sizes


def rows_of(options, measured, failures, megabytes):
    rows = []
    least = options.sizes[0]
    for call in PATHS:
        for size in options.sizes[1:]:
            one, base = title(call, size), title(call, least)
            figure = f"{call}: {size:,} customers / {least:,}"
            must = f"{1 - WITHIN:g} to {1 + WITHIN:g}"
            if one in failures or base in failures:
                rows.append(missing(figure, must, failures.get(one) or failures[base]))
                continue
            value = ratio(measured[one], measured[base])
            rates = f"{median(measured[one], 'per_second'):.0f} to {median(measured[base], 'per_second'):.0f} a second"
            rows.append(row(figure, must, f"{value:.2f}", 1 - WITHIN <= value <= 1 + WITHIN,
                            f"{rates}; {megabytes[size]:,} MiB; WAL {median(measured[one], 'wal_kib'):.1f} to "
                            f"{median(measured[base], 'wal_kib'):.1f} KiB a call"))
    return rows


def measure(context, _):
    house, member, payment = open_house(context)
    try:
        series, megabytes = start_sizes(context, house, member, payment)
        measured, failures = interleave(series, context.options.rounds)
        result = {"rows": rows_of(context.options, measured, failures, megabytes), "series": measured}
        if failures:
            result["failed"] = str(failures)
        return {"growth": result}
    finally:
        house.close()
