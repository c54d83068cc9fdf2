"""All memberships due at one moment: bench/renewals, with a gateway that answers at once and one that takes its time."""

import os
import re
import sys

from house import HERE, Failed, run
from report import missing, row

NAMES = ("renewals",)
DOSES = ((0, 60), (150, 300))


def measure(context, _):
    rows, outputs, failed = [], {}, []
    for latency_ms, most in DOSES:
        figure = f"renewals of {context.options.renewals:,} memberships, gateway {latency_ms} ms"
        must = f"≤ {most} s, each exactly once"
        try:
            output = run([sys.executable, "-B", os.path.join(HERE, "renewals"), "--build", context.options.build, "--count",
                          context.options.renewals, "--latency-ms", latency_ms], 1800)
        except Failed as problem:
            rows.append(missing(figure, must, str(problem)))
            failed.append(str(problem))
            continue
        outputs[latency_ms] = output
        found = re.search(r": ([0-9.]+) s, (\d+)/s", output)
        once = "each exactly once" in output
        if found is None:
            rows.append(missing(figure, must, output))
            failed.append(output)
            continue
        seconds = float(found.group(1))
        rows.append(row(figure, must, f"{seconds:.1f} s", once and seconds <= most,
                        f"{found.group(2)} a second; " + ("each exactly once" if once else "NOT each exactly once")))
    return {"renewals": {"rows": rows, "raw": outputs, **({"failed": "\n".join(failed)} if failed else {})}}
