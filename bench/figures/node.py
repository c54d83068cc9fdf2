"""A Node service of the same contract, grpc-js and pg, in front of the same database: bench/peers/node."""

import os
import shutil
import subprocess

from house import HERE, Failed, Server, die_with_parent, lasting_port, progress
from people import MEMBERSHIP, PAYMENT
from report import missing, row
from rounds import best, interleave, median, ratio

NAMES = ("node",)
EXPECTED = 8
SOURCE = os.path.join(HERE, "peers", "node")
# One process as Node comes, and its cluster module with a process for each core.
WORKERS = {"Node": 1, "Node, cluster of 2": 2}
CALLS = {"CreatePayment": PAYMENT + "CreatePayment", "CheckEntitlement": MEMBERSHIP + "CheckEntitlement"}


class Tree(Server):
    """A server of several processes."""

    def cpu_us(self):
        total = super().cpu_us()
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            for child in file.read().split():
                with open(f"/proc/{child}/stat", encoding="ascii") as stat:
                    ticks = stat.read().rpartition(")")[2].split()
                total += (int(ticks[11]) + int(ticks[12])) * 1000000 // os.sysconf("SC_CLK_TCK")
        return total


def install(context):
    """A copy beside the results, with its packages; None and why when that is not possible here."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None, "SKIPPED: there is no node here"
    target = os.path.join(context.options.build, "bench-node")
    modules = os.path.join(target, "node_modules", ".package-lock.json")
    lock = os.path.join(SOURCE, "package-lock.json")
    if not os.path.exists(modules) or os.path.getmtime(modules) < os.path.getmtime(lock):
        os.makedirs(target, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(SOURCE, name), target)
        result = subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=target, capture_output=True,
                                text=True, check=False)
        if result.returncode != 0:
            return None, f"SKIPPED: npm could not install its packages: {result.stderr.strip()[-200:]}"
    return os.path.join(target, "node_modules"), None


def start(house, workers, modules):
    port = lasting_port()
    database = f"postgresql://dues_service@localhost/dues?host={house.environment.socket}"
    with open(os.path.join(house.directory, f"node-{workers}.log"), "ab") as log:
        process = subprocess.Popen(
            ["node", "server.js", "--listen", f"127.0.0.1:{port}", "--certs", house.certificates, "--database", database,
             "--workers", str(workers), "--pool", "16"], cwd=SOURCE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=log, text=True, preexec_fn=die_with_parent,
            env={**os.environ, "NODE_ENV": "production", "NODE_PATH": modules})
    server = house.keep(Tree(f"127.0.0.1:{port}", process))
    if process.stdout.readline().strip() != "ready":
        raise Failed(f"the Node service did not start, see node-{workers}.log")
    return server


def measure(context, _):
    house, options = context.house(), context.options
    must = f"≥ {EXPECTED} × expected"
    modules, why = install(context)
    if modules is None:
        progress(why)
        return {"node": {"rows": [missing(f"{call} / Node", must, why) for call in CALLS]}}
    requests = {"CreatePayment": house.write("create.hex", [one.create_payment() for one in context.members()]),
                "CheckEntitlement": house.write("check.hex", [one.check_entitlement() for one in context.members()])}
    servers = {"dues": house.main, **{name: start(house, workers, modules) for name, workers in WORKERS.items()}}

    def series(call, name):
        def at(in_flight, seconds=None):
            return house.load(servers[name], CALLS[call], requests[call], in_flight=in_flight, seconds=seconds)
        in_flight = best(lambda n: at(n, options.probe_seconds), (16, 64))
        return lambda: at(in_flight)

    measured, failures = interleave({f"{call}, {name}": series(call, name) for call in CALLS for name in servers},
                                    options.rounds)
    for name in WORKERS:
        servers[name].stop()
    rows = []
    for call in CALLS:
        for name in WORKERS:
            if f"{call}, {name}" in failures or f"{call}, dues" in failures:
                rows.append(missing(f"{call} / {name}", must, "; ".join(failures.values())))
                continue
            ours, theirs = measured[f"{call}, dues"], measured[f"{call}, {name}"]
            value = ratio(ours, theirs)
            rows.append(row(f"{call} / {name}", must, f"{value:.1f}", value >= EXPECTED,
                            f"{median(ours, 'per_second'):.0f} to {median(theirs, 'per_second'):.0f} a second, each at its "
                            "best concurrency"))
    return {"node": {"rows": rows, "series": measured, **({"failed": str(failures)} if failures else {})}}
