"""Damages copies of good artefacts, one thing at a time: a checker that finds nothing must not be believed.

Each damage says which invariants may notice it, one of which has to.  It takes a directory of artefacts, changes one fact,
and answers nothing when there is nothing there that it could damage.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import doctor_grants
import doctor_books
import doctor_journals
from doctor_files import (add_row, change_log, change_row, find_in_log, find_row, read_table, write_table)

HERE = os.path.dirname(os.path.abspath(__file__))
AT_ONCE = 2


def is_paid(line):
    return (line["e"] == "answer" and line["rpc"] == "CreatePayment" and line["state"] == "SUCCEEDED"
            and not line.get("other"))


def succeeded(row):
    return row["state"] == "SUCCEEDED"


def acknowledged_payment(directory):
    """The id of a payment that a client was told had succeeded."""
    found = find_in_log(directory, is_paid)
    return found and found["name"].rsplit("/", 1)[-1]


def drop_a_payment(directory):
    payment = acknowledged_payment(directory)
    return payment and change_row(directory, "payment", lambda row: row["payment_id"] == payment, lambda row: None)


def forget_that_it_succeeded(directory):
    payment = acknowledged_payment(directory)
    return payment and change_row(directory, "payment", lambda row: row["payment_id"] == payment,
                                  lambda row: row | {"state": "FAILED", "amount_captured": "0"})


def make_two_things_of_one_request(directory):
    return change_log(directory, lambda line: is_paid(line) and line["replayed"],
                      lambda line: [line | {"name": line["name"][:-4] + "ffff"}])


def pay_an_invoice_twice(directory):
    paid = change_row(directory, "payment", lambda row: succeeded(row) and row["invoice_id"], lambda row: row)
    return paid and change_row(directory, "payment",
                               lambda row: succeeded(row) and row["payment_id"] != paid["payment_id"],
                               lambda row: row | {"invoice_id": paid["invoice_id"]})


def edit_a_ledger_line(directory):
    return change_row(directory, "ledger_entry", lambda row: row["kind"] == "charge",
                      lambda row: row | {"amount": str(int(row["amount"]) + 1)})


def drop_a_ledger_group(directory):
    columns, rows = read_table(directory, "ledger_entry")
    group = next((row["group_id"] for row in rows if row["kind"] == "charge"), None)
    write_table(directory, "ledger_entry", columns, [row for row in rows if row["group_id"] != group])
    return group


def post_to_nobody(directory):
    columns, rows = read_table(directory, "ledger_entry")
    group = [row for row in rows if row["kind"] == "charge"][:2]
    orphan = "00000000-0000-7000-8000-000000000000"
    write_table(directory, "ledger_entry", columns, rows + [row | {"group_id": orphan} for row in group])
    return group


def leave_an_attempt_unknown(directory):
    return change_row(directory, "attempt", succeeded, lambda row: row | {"state": "UNKNOWN"})


def name_another_transaction(directory):
    return change_row(directory, "attempt", lambda row: succeeded(row) and row["operation"] == "CHARGE",
                      lambda row: row | {"gateway_transaction": "ch_somebody_elses"})


def lose_an_answer(directory):
    """A request that was never answered, though its client asked until it knew."""
    found = change_log(directory, is_paid, lambda line: [])
    while found and change_log(directory, lambda line: line["e"] == "answer" and line["id"] == found["id"]
                               and line["rpc"] == found["rpc"] and line["definitive"], lambda line: []):
        pass
    return found


def answer_otherwise(directory):
    return change_log(directory, lambda line: is_paid(line) and line["replayed"],
                      lambda line: [line | {"reply": line["reply"][:-2] + "7f"}])


def record_another_answer(directory):
    told = find_in_log(directory, is_paid)
    return told and change_row(directory, "recorded_request",
                               lambda row: row["method"].endswith("/CreatePayment") and row["request_id"] == told["id"],
                               lambda row: row | {"answer": hashlib.sha256(b"another").hexdigest()})


def be_under_way_again(directory):
    """The last answer of all: nobody can say that it overlapped with the first."""
    return change_log(directory, lambda line: is_paid(line) and line["replayed"],
                      lambda line: [line | {"state": "PROCESSING", "definitive": False}], last=True)


def accept_other_content(directory):
    return change_log(directory, lambda line: line["e"] == "answer" and line.get("other"),
                      lambda line: [line | {"status": "OK", "reason": ""}])


def fail_within(directory):
    return change_log(directory, lambda line: line["e"] == "answer" and line["status"] == "OK",
                      lambda line: [line | {"status": "INTERNAL"}])


def leave_out_an_event(directory):
    return change_row(directory, "event", lambda row: row["sequence"] == "1", lambda row: None)


def leave_out_an_invoice_number(directory):
    return change_row(directory, "invoice", lambda row: True, lambda row: row | {"number": "99"})


def captured_acknowledged(directory):
    """The row of an attempt to capture that a client was told had succeeded."""
    told = find_in_log(directory, lambda line: line["e"] == "answer" and line["rpc"] == "CapturePayment"
                       and line["status"] == "OK" and line["definitive"])
    recorded = told and find_row(directory, "recorded_request", lambda row: row["request_id"] == told["id"]
                                 and row["method"].endswith("/CapturePayment"))
    return recorded and recorded["object_id"]


def drop_a_capture(directory):
    attempt = captured_acknowledged(directory)
    return attempt and change_row(directory, "attempt", lambda row: row["attempt_id"] == attempt, lambda row: None)


def capture_another_amount(directory):
    attempt = captured_acknowledged(directory)
    return attempt and change_row(directory, "attempt", lambda row: row["attempt_id"] == attempt,
                                  lambda row: row | {"amount": str(int(row["amount"]) + 1)})


def show_more_captured(directory):
    return change_row(directory, "payment", lambda row: row["is_manual"] == "t" and succeeded(row),
                      lambda row: row | {"amount_captured": str(int(row["amount_captured"]) + 1)})


def hold_on_to_a_void(directory):
    return change_row(directory, "payment", lambda row: row["state"] == "CANCELED",
                      lambda row: row | {"state": "REQUIRES_CAPTURE", "amount_capturable": row["amount"]})


def keep_a_refund_that_failed(directory):
    group = find_row(directory, "ledger_entry", lambda row: row["kind"] == "refund_reversal")
    attempt = group and find_row(directory, "attempt", lambda row: row["attempt_id"] == group["group_id"])
    return attempt and change_row(directory, "refund", lambda row: row["refund_id"] == attempt["refund_id"],
                                  lambda row: row | {"state": "SUCCEEDED"})


def edit_with_a_partner(directory):
    """Two lines of a group changed so that all sums hold: only the chain knows."""
    line = find_row(directory, "ledger_entry", lambda row: row["kind"] == "refund" and row["line_no"] == "1")
    return line and change_row(directory, "ledger_entry",
                               lambda row: row["group_id"] == line["group_id"] and row["line_no"] == "1",
                               lambda row: row | {"time_us": str(int(row["time_us"]) + 1)})


def cut_the_chain(directory):
    """The last group of somebody, and what is said of it in his row stays."""
    columns, rows = read_table(directory, "ledger_entry")
    if not rows:
        return None
    customer = rows[0]["customer_id"]
    last = max((row for row in rows if row["customer_id"] == customer), key=lambda row: int(row["position"]))
    write_table(directory, "ledger_entry", columns, [row for row in rows if row is not last])
    return last


def refuse_what_was_done(directory):
    """A client was refused for good, and the request is recorded as done."""
    told = find_in_log(directory, is_paid)
    while told and change_log(directory, lambda line: line["e"] == "answer" and line["id"] == told["id"]
                              and line["rpc"] == "CreatePayment" and line["status"] == "OK",
                              lambda line: [line | {"status": "FAILED_PRECONDITION", "reason": "PAYMENT_METHOD_UNUSABLE"}]):
        pass
    return told


def owe_a_resolver(directory):
    attempt = find_row(directory, "attempt", succeeded)
    if attempt is None:
        return None
    add_row(directory, "obligation", {"customer_id": attempt["customer_id"], "kind": "payment.resolve",
                                      "business_key": attempt["attempt_id"], "overdue": "f", "failure_count": "0",
                                      "virtual": "f", "last_failure": ""})
    return attempt


def open_an_incident(directory):
    attempt = find_row(directory, "attempt", succeeded)
    if attempt is None:
        return None
    add_row(directory, "incident", {"customer_id": attempt["customer_id"], "kind": "AMOUNT_MISMATCH", "state": "OPEN",
                                    "subject": attempt["attempt_id"], "detail": "planted"})
    return attempt


DAMAGES = doctor_journals.DAMAGES + doctor_grants.DAMAGES + (
    (drop_a_payment, ("I1",)),
    (forget_that_it_succeeded, ("I1",)),
    (drop_a_capture, ("I1",)),
    (capture_another_amount, ("I1",)),
    (make_two_things_of_one_request, ("I2",)),
    (pay_an_invoice_twice, ("I2",)),
    (edit_a_ledger_line, ("I3",)),
    (edit_with_a_partner, ("I3",)),
    (cut_the_chain, ("I3",)),
    (drop_a_ledger_group, ("I3",)),
    (post_to_nobody, ("I3",)),
    (leave_an_attempt_unknown, ("I4",)),
    (name_another_transaction, ("I4",)),
    (show_more_captured, ("I4",)),
    (hold_on_to_a_void, ("I1", "I4")),
    (keep_a_refund_that_failed, ("I3", "I4")),
    (owe_a_resolver, ("I4",)),
    (open_an_incident, ("I4",)),
    (lose_an_answer, ("I5",)),
    (answer_otherwise, ("I5",)),
    (record_another_answer, ("I5",)),
    (be_under_way_again, ("I5",)),
    (accept_other_content, ("I5",)),
    (refuse_what_was_done, ("I5",)),
    (fail_within, ("I5",)),
    (leave_out_an_event, ("I6",)),
    (leave_out_an_invoice_number, ("I6",)),
)


def verdict(directory):
    """The invariants that the checker calls violated, asked as a program, by its output and its exit code."""
    result = subprocess.run([sys.executable, "-B", os.path.join(HERE, "check"), directory], capture_output=True, text=True,
                            check=False)
    violated = {line.split()[0] for line in result.stdout.splitlines() if "VIOLATED" in line}
    if (result.returncode == 1) != bool(violated) or result.returncode not in (0, 1):
        raise RuntimeError(f"the checker ended with {result.returncode}: {result.stdout}{result.stderr}")
    return violated


def examine_one(directory, damage, invariants):
    """A line for the report, and whether it was noticed."""
    name = damage.__name__.replace("_", " ")
    with tempfile.TemporaryDirectory(prefix="dues-doctor-", dir=os.path.dirname(os.path.abspath(directory))) as scratch:
        copy = os.path.join(scratch, "artefacts")
        shutil.copytree(directory, copy, copy_function=os.link)
        if not damage(copy):
            return f"   {name}: nothing here to damage", True
        violated = verdict(copy)
    if violated & set(invariants):
        return f"   {name}: noticed by {', '.join(sorted(violated))}", True
    return f"   {name}: NOT NOTICED by {' or '.join(invariants)}", False


def examine(directory, report):
    """Damages copies of `directory` in every way; True when the checker noticed all.  `report` gets lines."""
    noticed = True
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for text, good in pool.map(lambda pair: examine_one(directory, *pair), DAMAGES + doctor_books.DAMAGES):
            report(text)
            noticed = noticed and good
    return noticed


if __name__ == "__main__":
    sys.exit(0 if examine(sys.argv[1], print) else 1)
