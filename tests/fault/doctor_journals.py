"""Damage to what the gateway wrote down, in both of its forms."""

from doctor_files import as_line, change_journal, find_row, is_stripe, journal_path, replace_text


def succeeded(operation):
    return lambda row: row["operation"] == operation and row["state"] == "SUCCEEDED"


def is_deed(line, reference, operation=None):
    """Of the sandbox."""
    return (line.get("outcome") == "APPROVED" and line.get("reference") == reference
            and operation in (None, line.get("operation")))


def is_intent(line, transaction):
    thing = line.get("object") or {}
    return thing.get("id") == transaction


def first(directory, operation):
    return find_row(directory, "attempt", succeeded(operation))


def drop_a_charge(directory):
    attempt = first(directory, "CHARGE")
    if attempt is None:
        return None
    if is_stripe(directory):
        return change_journal(directory, lambda line: is_intent(line, attempt["gateway_transaction"]), lambda line: [],
                              every=True)
    return change_journal(directory, lambda line: is_deed(line, attempt["attempt_id"]), lambda line: [], every=True)


def charge_twice(directory):
    """Under another key, for the same attempt."""
    attempt = first(directory, "CHARGE")
    if attempt is None:
        return None
    if is_stripe(directory):
        return change_journal(directory, lambda line: is_intent(line, attempt["gateway_transaction"]),
                              lambda line: [line, {"object": line["object"] | {"id": "pi_again"}}], last=True)
    return change_journal(directory, lambda line: is_deed(line, attempt["attempt_id"]),
                          lambda line: [line, line | {"transaction": "ch_again", "key": "another-key-of-ours"}])


def charge_twice_under_the_key(directory):
    attempt = first(directory, "CHARGE")
    if attempt is None:
        return None
    if is_stripe(directory):
        return change_journal(directory, lambda line: line.get("call", {}).get("key") == attempt["gateway_key"]
                              and line["call"].get("done") and not line["call"].get("replayed"), lambda line: [line, line])
    return change_journal(directory, lambda line: is_deed(line, attempt["attempt_id"]),
                          lambda line: [line, line | {"transaction": "ch_again"}])


def charge_another_amount(directory):
    attempt = first(directory, "CHARGE")
    if attempt is None:
        return None
    if is_stripe(directory):
        return change_journal(
            directory, lambda line: is_intent(line, attempt["gateway_transaction"]) and line["object"]["amount_received"],
            lambda line: [{"object": line["object"] | {"amount_received": line["object"]["amount_received"] + 1}}], every=True)
    return change_journal(directory, lambda line: is_deed(line, attempt["attempt_id"]),
                          lambda line: [line | {"amount": line["amount"] + 1}])


def capture_again(directory):
    attempt = first(directory, "CAPTURE")
    if attempt is None:
        return None
    if is_stripe(directory):
        more = int(attempt["amount"])
        return change_journal(
            directory, lambda line: is_intent(line, attempt["gateway_transaction"]),
            lambda line: [line, {"object": line["object"] | {"amount_received": line["object"]["amount_received"] + more}}],
            last=True)
    return change_journal(directory, lambda line: is_deed(line, attempt["attempt_id"]),
                          lambda line: [line, line | {"transaction": "ca_again", "key": "another-key-of-ours"}])


def keep_what_was_let_go_of(directory):
    attempt = first(directory, "VOID")
    if attempt is None:
        return None
    if is_stripe(directory):
        return change_journal(directory, lambda line: is_intent(line, attempt["gateway_transaction"])
                              and line["object"]["status"] == "canceled", lambda line: [], every=True)
    return change_journal(directory, lambda line: is_deed(line, attempt["attempt_id"]), lambda line: [])


def refund_again(directory):
    attempt = first(directory, "REFUND")
    if attempt is None:
        return None
    if is_stripe(directory):
        return change_journal(directory, lambda line: is_intent(line, attempt["gateway_transaction"])
                              and line["object"]["status"] == "succeeded",
                              lambda line: [line, {"object": line["object"] | {"id": "re_again"}}])
    return change_journal(directory, lambda line: is_deed(line, attempt["attempt_id"]),
                          lambda line: [line, line | {"transaction": "re_again", "key": "another-key-of-ours"}])


def forget_that_a_refund_failed(directory):
    if is_stripe(directory):
        return change_journal(directory, lambda line: (line.get("object") or {}).get("object") == "refund"
                              and line["object"]["status"] == "failed", lambda line: [])
    return change_journal(directory, lambda line: line.get("outcome") == "REVERSED", lambda line: [])


def take_money_for_nobody(directory):
    orphan = "00000000-0000-7000-8000-000000000000"
    with open(journal_path(directory), encoding="utf-8") as file:
        lines = file.readlines()
    if is_stripe(directory):
        lines += [as_line({"object": {"id": "pi_orphan", "object": "payment_intent", "status": "succeeded", "currency": "usd",
                                      "capture_method": "automatic", "amount_received": 1, "amount_capturable": 0,
                                      "metadata": {"attempt_id": orphan}}}),
                  as_line({"call": {"method": "POST", "key": "k", "status": 200, "done": True, "replayed": False}})]
    else:
        lines.append(as_line({"operation": "CHARGE", "key": "k", "reference": orphan, "amount": 1, "currency": "USD",
                              "outcome": "APPROVED", "transaction": "ch_orphan"}))
    replace_text(journal_path(directory), lines)
    return orphan


DAMAGES = (
    (drop_a_charge, ("I1", "I4")),
    (charge_twice, ("I2",)),
    (charge_twice_under_the_key, ("I2",)),
    (charge_another_amount, ("I4",)),
    (capture_again, ("I2", "I4")),
    (keep_what_was_let_go_of, ("I4",)),
    (refund_again, ("I2",)),
    (forget_that_a_refund_failed, ("I1", "I4")),
    (take_money_for_nobody, ("I4",)),
)
