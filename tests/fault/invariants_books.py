"""All else that moves on `gateway_clearing:stripe`: fees and disputes, against the lines of the gateway's balance.

A fee is posted by a reconciliation, so one that is not there may come yet; what is posted must be a line's, once, with its
sum.  A dispute is posted as it is learned: its groups together are what its lines say.
"""

import hashlib
import re
import uuid
from collections import Counter, defaultdict

ACCOUNT = "gateway_clearing:stripe"
HOUSE = "00000000-0000-8000-8000-000000000000"
OF_DISPUTES = re.compile(r"dispute(_fee)?(_reversal)?(_[0-9]+)?")
# What people post when they resolve an incident.
OF_PEOPLE = re.compile(r"suspense_release(_[0-9]+)?")


def fee_group(line):
    """The id that SQL reconciliation_fee gives the group of a line."""
    number = bytearray(hashlib.sha256(f"{HOUSE}\nfee of stripe\n{line}".encode()).digest()[:16])
    number[6] = number[6] & 15 | 128
    number[8] = number[8] & 63 | 128
    return str(uuid.UUID(bytes=bytes(number)))


def groups_of(agreement, of_attempts):
    """What fees and disputes moved on the account, by group: {currency: sum}."""
    fees, disputes = defaultdict(Counter), defaultdict(Counter)
    for row in agreement.facts.tables["ledger_entry"]:
        if row["account"] != ACCOUNT or row["kind"] in of_attempts or OF_PEOPLE.fullmatch(row["kind"]):
            continue
        is_of_dispute = OF_DISPUTES.fullmatch(row["kind"])
        if agreement.check(row["kind"] == "fee" or is_of_dispute,
                           f"group {row['kind']} {row['group_id']} moves {row['amount']} at the gateway, which nothing explains"):
            (disputes if is_of_dispute else fees)[row["group_id"]][row["currency"]] += int(row["amount"])
    return fees, disputes


def check_fees(agreement, posted):
    lines = {fee_group(line): booking for line, booking in agreement.facts.journal.bookings.items() if booking["fee"] != 0}
    for group, sums in posted.items():
        booking = lines.get(group)
        agreement.counts["fees"] += 1
        if agreement.check(booking is not None, f"fee {group} is posted and no line of the gateway has it"):
            agreement.check(sums == {booking["currency"]: -booking["fee"]},
                            f"fee {group} is posted as {dict(sums)}, the gateway kept {booking['fee']} {booking['currency']}")


def check_disputes(agreement, posted):
    booked = defaultdict(Counter)
    for booking in agreement.facts.journal.bookings.values():
        if booking["type"] == "adjustment":
            booked[booking["source"]][booking["currency"]] += booking["amount"] - booking["fee"]
    names = {row["dispute_id"]: row["gateway_dispute"] for row in agreement.facts.tables["dispute"] if row["gateway"] == "stripe"}
    for name in set(booked) - set(names.values()):
        agreement.check(False, f"dispute {name} moved {dict(booked[name])} and nobody here knows of it")
    for group in set(posted) - set(names):
        agreement.check(False, f"dispute {group} is posted and is none of the gateway's")
    for dispute, name in names.items():
        agreement.counts["disputes"] += 1
        ours, theirs = (Counter({currency: amount for currency, amount in sums.items() if amount})
                        for sums in (posted.get(dispute, {}), booked.get(name, {})))
        agreement.check(ours == theirs, f"dispute {name} is posted as {dict(ours)}, the gateway moved {dict(theirs)}")


def check_books(agreement, of_attempts):
    fees, disputes = groups_of(agreement, of_attempts)
    check_fees(agreement, fees)
    check_disputes(agreement, disputes)
