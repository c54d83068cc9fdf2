"""Damages copies of good artefacts, one thing at a time: a checker that finds nothing must not be believed.

Each doctoring says which invariant has to notice it.  It takes a directory of artefacts, changes one fact, and
answers False when there is nothing there that it could damage.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def table_path(directory, table):
    return os.path.join(directory, "tables", table + ".csv")


def read_table(directory, table):
    with open(table_path(directory, table), newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        return reader.fieldnames, list(reader)


def write_table(directory, table, columns, rows):
    with open(table_path(directory, table), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def change_row(directory, table, wanted, change):
    """Applies `change` to the first row that `wanted` likes; None from it drops the row."""
    columns, rows = read_table(directory, table)
    for index, row in enumerate(rows):
        if wanted(row):
            changed = change(dict(row))
            rows[index:index + 1] = [changed] if changed else []
            write_table(directory, table, columns, rows)
            return row
    return None


def change_lines(path, wanted, change, last=False):
    """The same for JSON lines; `change` answers the lines that take the place of the first (last) that is wanted."""
    with open(path, encoding="utf-8") as file:
        lines = file.readlines()
    for index in reversed(range(len(lines))) if last else range(len(lines)):
        value = json.loads(lines[index])
        if wanted(value):
            lines[index:index + 1] = [json.dumps(one, separators=(",", ":")) + "\n" for one in change(value)]
            with open(path, "w", encoding="utf-8") as file:
                file.writelines(lines)
            return value
    return None


def change_journal(directory, wanted, change):
    return change_lines(os.path.join(directory, "journal.jsonl"), wanted, change)


def change_log(directory, wanted, change, last=False):
    logs = os.path.join(directory, "logs")
    for name in sorted(os.listdir(logs)):
        found = change_lines(os.path.join(logs, name), wanted, change, last)
        if found:
            return found
    return None


def is_charge(line):
    return line.get("operation") == "CHARGE" and line.get("outcome") == "APPROVED"


def is_paid(line):
    return (line["e"] == "answer" and line["rpc"] == "CreatePayment" and line["state"] == "SUCCEEDED"
            and not line.get("other"))


def succeeded(row):
    return row["state"] == "SUCCEEDED"


def acknowledged_payment(directory):
    """The id of a payment that a client was told had succeeded."""
    found = change_log(directory, is_paid, lambda line: [line])
    return found and found["name"].rsplit("/", 1)[-1]


def drop_a_payment(directory):
    payment = acknowledged_payment(directory)
    return payment and change_row(directory, "payment", lambda row: row["payment_id"] == payment, lambda row: None)


def forget_that_it_succeeded(directory):
    payment = acknowledged_payment(directory)
    return payment and change_row(directory, "payment", lambda row: row["payment_id"] == payment,
                                  lambda row: row | {"state": "FAILED", "amount_captured": "0"})


def drop_a_charge_from_the_journal(directory):
    payment = acknowledged_payment(directory)
    _, attempts = read_table(directory, "attempt")
    attempt = next((row["attempt_id"] for row in attempts
                    if row["payment_id"] == payment and row["operation"] == "CHARGE"), None)
    return attempt and change_journal(directory, lambda line: is_charge(line) and line["reference"] == attempt,
                                      lambda line: [])


def charge_twice(directory):
    return change_journal(directory, is_charge,
                          lambda line: [line, line | {"transaction": "ch_again", "key": "another-key-of-ours"}])


def charge_twice_under_the_key(directory):
    return change_journal(directory, is_charge, lambda line: [line, line | {"transaction": "ch_again"}])


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


def charge_another_amount(directory):
    return change_journal(directory, is_charge, lambda line: [line | {"amount": line["amount"] + 1}])


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
    return change_row(directory, "recorded_request",
                      lambda row: row["method"].endswith("/CreatePayment") and row["answer"],
                      lambda row: row | {"answer": row["answer"][:-2] + "7f"})


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


DOCTORINGS = (
    (drop_a_payment, "I1"),
    (forget_that_it_succeeded, "I1"),
    (drop_a_charge_from_the_journal, "I1"),
    (charge_twice, "I2"),
    (charge_twice_under_the_key, "I2"),
    (make_two_things_of_one_request, "I2"),
    (pay_an_invoice_twice, "I2"),
    (edit_a_ledger_line, "I3"),
    (drop_a_ledger_group, "I3"),
    (post_to_nobody, "I3"),
    (leave_an_attempt_unknown, "I4"),
    (name_another_transaction, "I4"),
    (charge_another_amount, "I4"),
    (lose_an_answer, "I5"),
    (answer_otherwise, "I5"),
    (record_another_answer, "I5"),
    (be_under_way_again, "I5"),
    (accept_other_content, "I5"),
    (fail_within, "I5"),
    (leave_out_an_event, "I6"),
    (leave_out_an_invoice_number, "I6"),
)


def verdict(directory):
    """The invariants that the checker calls violated, asked as a program, by its output and its exit code."""
    result = subprocess.run([sys.executable, os.path.join(HERE, "check"), directory], capture_output=True, text=True,
                            check=False)
    violated = {line.split()[0] for line in result.stdout.splitlines() if "VIOLATED" in line}
    if (result.returncode == 1) != bool(violated) or result.returncode not in (0, 1):
        raise RuntimeError(f"the checker ended with {result.returncode}: {result.stdout}{result.stderr}")
    return violated


def examine(directory, report):
    """Damages copies of `directory` in every way; True when the checker noticed all.  `report` gets lines."""
    noticed = True
    for doctoring, invariant in DOCTORINGS:
        name = doctoring.__name__.replace("_", " ")
        with tempfile.TemporaryDirectory(prefix="dues-doctor-") as scratch:
            copy = os.path.join(scratch, "artefacts")
            shutil.copytree(directory, copy)
            if not doctoring(copy):
                report(f"   {name}: nothing here to damage")
                continue
            violated = verdict(copy)
        if invariant in violated:
            report(f"   {name}: noticed by {', '.join(sorted(violated))}")
        else:
            report(f"   {name}: NOT NOTICED by {invariant}")
            noticed = False
    return noticed
