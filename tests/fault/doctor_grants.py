"""Damages to what shows that a membership was given up before it was paid, and to what was granted for money."""

from doctor_files import change_log, change_row, find_row, read_table, write_table
from grants import NOT_GRANTED

NOBODYS = "018f0000-0000-7000-8000-00000000dead"


def is_given_up(row):
    return row["kind"] == NOT_GRANTED and row["state"] == "OPEN"


def given_up(directory):
    """The invoice that takes no money any more, and its payment, of a membership that was canceled."""
    incident = find_row(directory, "incident", is_given_up)
    payment = incident and find_row(directory, "payment", lambda row: incident["subject"].endswith(row["payment_id"]))
    return payment and (find_row(directory, "invoice", lambda row: row["invoice_id"] == payment["invoice_id"]), payment)


def paid_invoice(directory):
    return find_row(directory, "invoice", lambda row: row["state"] == "PAID")


def forget_that_it_was_canceled(directory):
    """No client asked for it."""
    found = given_up(directory)
    membership = found and found[0]["membership_id"]
    while found and change_log(directory, lambda line: line["rpc"] == "CancelMembership"
                               and membership in line.get("parent", "") + line.get("name", ""), lambda line: []):
        pass
    return found


def cancel_another(directory):
    """What the client asked for was done to another membership."""
    found = given_up(directory)
    return found and change_row(directory, "recorded_request", lambda row: row["method"].endswith("/CancelMembership")
                                and row["object_id"] == found[0]["membership_id"],
                                lambda row: row | {"object_id": NOBODYS})


def pay_before_it_was_canceled(directory):
    """The events of the end of the membership and of the payment change their places."""
    found = given_up(directory)
    if not found:
        return None
    invoice, payment = found
    columns, rows = read_table(directory, "event")
    ends = next(row for row in rows if row["type"] == "invoice.void" and row["subject_id"] == invoice["invoice_id"])
    paid = next(row for row in rows if row["type"] == "payment.succeeded" and row["subject_id"] == payment["payment_id"])
    ends["sequence"], paid["sequence"] = paid["sequence"], ends["sequence"]
    write_table(directory, "event", columns, rows)
    return found


def leave_it_open(directory):
    found = given_up(directory)
    return found and change_row(directory, "invoice", lambda row: row["invoice_id"] == found[0]["invoice_id"],
                                lambda row: row | {"state": "OPEN"})


def tell_nobody(directory):
    return change_row(directory, "incident", is_given_up, lambda row: None)


def tell_of_what_was_granted(directory):
    """The same incident of a payment that was granted."""
    invoice = paid_invoice(directory)
    payment = invoice and find_row(directory, "payment", lambda row: row["invoice_id"] == invoice["invoice_id"])
    return payment and change_row(directory, "incident", is_given_up,
                                  lambda row: row | {"subject": f"customers/{payment['customer_id']}/payments/"
                                                                f"{payment['payment_id']}"})


def take_money_for_nothing(directory):
    return change_row(directory, "invoice", lambda row: row["state"] == "PAID", lambda row: row | {"state": "VOID"})


def grant_for_nothing(directory):
    invoice = paid_invoice(directory)
    return invoice and change_row(directory, "payment", lambda row: row["invoice_id"] == invoice["invoice_id"]
                                  and row["state"] == "SUCCEEDED", lambda row: row | {"invoice_id": ""})


DAMAGES = tuple((damage, ("I4",)) for damage in (
    forget_that_it_was_canceled, cancel_another, pay_before_it_was_canceled, leave_it_open, tell_nobody,
    tell_of_what_was_granted, take_money_for_nothing, grant_for_nothing))
