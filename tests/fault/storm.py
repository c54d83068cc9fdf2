"""What the storm and the soak share: how they end, and the moment when nothing is in flight any more."""

import signal

from processes import Broken, until

PATIENCE_S = 180
LOAD_PATIENCE_S = 900
# Who comes to rest: no attempt on its way, no resolver owed, no advance of a clock.
AT_REST = """SELECT (SELECT count(*) FROM dues.attempt WHERE state IN ('SENDING', 'UNKNOWN', 'RESOLVING'))
                  + (SELECT count(*) FROM dues.obligation WHERE kind LIKE '%.resolve')
                  + (SELECT count(*) FROM dues.test_clock WHERE target_time IS NOT NULL)"""
# Refunds are looked after for a month, from the first hour on, and customers are waited for: all looks are due now.
LOOKS_LEFT = """SELECT count(*) FROM dues.obligation WHERE kind IN ('refund.watch', 'payment.action') AND due_time <= now()
                AND test_clock_id IS NULL"""
LOOKS_A_SECOND = 20  # at least


def end_load(environment, load):
    """The gateway lies no more; the load asks until it knows, and time goes by for the resolvers, which wait longer and
    longer after each try.  Its exit status."""
    if environment.simulator_beside is not None:
        environment.simulator_beside.be_honest()
    load.send_signal(signal.SIGTERM)

    def is_over():
        environment.hasten_resolvers()
        return load.poll() is not None

    until(is_over, "the end of the load", patience=LOAD_PATIENCE_S, step=3)
    return load.returncode


def come_to_rest(environment, say):
    """All must agree now."""
    def is_at_rest():
        environment.hasten_resolvers()
        return environment.query(AT_REST) == "0"

    try:
        took = until(is_at_rest, "the rest after the storm", patience=PATIENCE_S, step=1)
        environment.hasten_looks()
        patience = PATIENCE_S + int(environment.query(LOOKS_LEFT)) / LOOKS_A_SECOND
        took += until(lambda: environment.query(LOOKS_LEFT) == "0", "the last look at refunds and customers", patience, step=1)
        took += until(is_at_rest, "the rest after it", patience=PATIENCE_S, step=1)
        say(f"at rest after another {took:.1f} s")
    except Broken as broken:
        say(f"broken: {broken}")  # the checker says what is not at rest
