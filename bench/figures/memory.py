"""Memory: of a server that nobody has called, and after many calls."""

import json

from house import Failed, run
from people import MEMBERSHIP, PAYMENT
from messages import part
from report import row

NAMES = ("memory",)
IDLE_MAX_MIB = 50
# What the allocator and the caches may still take once they are warm.
FLAT_MIB = 10


def call_times(house, server, method, requests, count):
    figures = json.loads(run(house.client(server, method, requests, "--count", count, "--connections",
                                          house.options.connections), 900))
    if figures["errors"]:
        raise Failed(f"{method}: {figures['errors']} of {count} refused")


def measure(context, _):
    house = context.house()
    check = house.write("check.hex", [one.check_entitlement() for one in context.members()])
    get = house.write("get.hex", [part(1, name) for name in context.payments()])
    server = house.start_duesd("memory", {})
    idle = server.rss_kib() / 1024
    rows = [row("idle RSS", f"< {IDLE_MAX_MIB} MiB", f"{idle:.1f} MiB", idle < IDLE_MAX_MIB)]
    done, after = 0, {}
    for count in context.options.memory_calls:
        half = (count - done) // 2
        call_times(house, server, MEMBERSHIP + "CheckEntitlement", check, half)
        call_times(house, server, PAYMENT + "GetPayment", get, count - done - half)
        done = count
        after[count] = server.rss_kib() / 1024
    server.stop()
    counts = list(after)
    grown = after[counts[-1]] - after[counts[0]]
    rows.append(row(f"RSS after {counts[-1]:,} calls", "flat", f"{after[counts[-1]]:.1f} MiB", grown < FLAT_MIB,
                    ", ".join(f"{count:,}: {size:.1f}" for count, size in after.items())
                    + " MiB; CheckEntitlement and GetPayment, half each"))
    return {"memory": {"rows": rows, "raw": {"idle_mib": idle, "after_mib": after}}}
