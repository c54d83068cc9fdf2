"""Measurements that take turns, so that a slow moment of the machine falls on all of them."""

import statistics

from house import Broken, Failed, progress


def interleave(series, count, before=None):
    """`series`: name to a function that measures once and answers a dict with `per_second`; `before` begins each round.

    Answers name to the list of what each round gave, and name to why it has none.
    """
    measured = {name: [] for name in series}
    failures = {}
    for number in range(1, count + 1):
        if before is not None:
            before()
        for name, measure in series.items():
            if name in failures:
                continue
            try:
                measured[name].append(measure())
            except (Failed, Broken, OSError) as problem:
                failures[name] = str(problem)
                progress(f"{name}: {problem}")
        progress(f"round {number} of {count}: " + ", ".join(
            f"{name} {values[-1]['per_second']:.0f}" for name, values in measured.items() if values))
    for name in failures:
        del measured[name]
    return measured, failures


def median(values, key):
    return statistics.median(value[key] for value in values)


def ratio(one, other):
    """Median of the ratios of each round."""
    return statistics.median(a["per_second"] / b["per_second"] for a, b in zip(one, other))


def best(measure, choices):
    """The choice that gives most a second: there and back, one slow moment of the machine must not choose."""
    rates = dict.fromkeys(choices, 0)
    if len(rates) == 1:
        return next(iter(rates))
    for choice in [*choices, *reversed(choices)]:
        rates[choice] += measure(choice)["per_second"] / 2
    chosen = max(rates, key=rates.get)
    progress("a second by concurrency: " + ", ".join(f"{key}: {rate:.0f}" for key, rate in rates.items())
             + f"; best at {chosen}")
    return chosen
