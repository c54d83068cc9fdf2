"""What a line of log for each call costs: two servers that differ in nothing else."""

from people import EMPTY, MEMBERSHIP
from report import missing, row
from rounds import interleave, median, ratio

NAMES = ("logs",)
CALLS = {"empty call": EMPTY, "CheckEntitlement": MEMBERSHIP + "CheckEntitlement"}


def measure(context, _):
    house = context.house()
    requests = {"empty call": house.write("empty.hex", [b""]),
                "CheckEntitlement": house.write("check.hex", [one.check_entitlement() for one in context.members()])}
    servers = {level: house.start_duesd(f"log-{level}", {"log_level": level}) for level in ("info", "warning")}

    def series(call, level):
        return lambda: house.load(servers[level], CALLS[call], requests[call])

    measured, failures = interleave({f"{call}, log_level {level}": series(call, level) for call in CALLS for level in servers},
                                    context.options.rounds)
    rows = []
    for call in CALLS:
        names = [f"{call}, log_level {level}" for level in ("info", "warning")]
        figure = f"{call}: log_level info / warning"
        if any(name in failures for name in names):
            rows.append(missing(figure, "printed", "; ".join(failures.values())))
            continue
        cost = median(measured[names[0]], "cpu_us") - median(measured[names[1]], "cpu_us")
        rows.append(row(figure, "printed", f"{ratio(measured[names[0]], measured[names[1]]):.2f}", None,
                        f"{cost:.1f} µs of processor a line"))
    for server in servers.values():
        server.stop()
    return {"logs": {"rows": rows, "series": measured, **({"failed": str(failures)} if failures else {})}}
