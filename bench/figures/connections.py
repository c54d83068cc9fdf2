"""Thousands of connections that only wait, and what the callers beside them feel."""

import json
import os
import subprocess

from house import Failed, die_with_parent
from people import EMPTY, MEMBERSHIP
from report import row

NAMES = ("connections",)
RSS_MAX_MIB = 1200
P99_MAX_MS = 20


def at_rate(house, server, context, check):
    """The p99 of each call at a modest rate, in ms."""
    rate = ("--rate", context.options.idle_rate)
    return {name: house.load(server, method, requests, *rate, seconds=context.options.seconds * 2)["ok"]["p99_us"] / 1000
            for name, method, requests in (("empty call", EMPTY, house.write("empty.hex", [b""])),
                                           ("CheckEntitlement", MEMBERSHIP + "CheckEntitlement", check))}


def measure(context, _):
    house, options = context.house(), context.options
    check = house.write("check.hex", [one.check_entitlement() for one in context.members()])
    server = house.start_duesd("connections", {})
    wanted = options.idle_connections
    before, alone = server.rss_kib() / 1024, at_rate(house, server, context, check)
    idle = subprocess.Popen([os.path.join(options.build, "bench", "bench_idle"), "--target", server.address, "--certs",
                             house.certificates, "--connections", str(wanted)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    try:
        opened = json.loads(idle.stdout.readline() or "{}")
        if not opened:
            raise Failed("the idle connections could not be made")
        after = server.rss_kib() / 1024
        beside = at_rate(house, server, context, check)
        peak = server.rss_kib() / 1024
    finally:
        idle.stdin.close()
        idle.wait(60)
    left = json.loads(idle.stdout.readline() or "{}")
    server.stop()
    worst = max(beside.values())
    alive = f"{left.get('up', 0):,} of {wanted:,} alive at the end, opened in {opened['took_us'] / 1e6:.0f} s with {opened['tries']:,} tries"
    rows = [
        row(f"RSS with {wanted:,} idle connections", f"≤ {RSS_MAX_MIB} MiB", f"{max(after, peak):.0f} MiB",
            max(after, peak) <= RSS_MAX_MIB and left.get("up") == wanted,
            f"{(after - before) * 1024 / wanted:.0f} KiB each; {alive}"),
        row(f"p99 beside them, {options.idle_rate} calls a second", f"≤ {P99_MAX_MS} ms", f"{worst:.1f} ms",
            worst <= P99_MAX_MS, ", ".join(f"{name} {ms:.1f} ms, without them {alone[name]:.1f}"
                                           for name, ms in beside.items())),
    ]
    return {"connections": {"rows": rows, "raw": {"alone_ms": alone, "beside_ms": beside, "opened": opened, "left": left,
                                                  "rss_mib": {"before": before, "opened": after, "called": peak}}}}
