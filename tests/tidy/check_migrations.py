"""Migrations only go forward: what has landed is never edited, and no number is given twice.

A gap is no mistake: work that goes on side by side has its numbers beforehand and lands in any order."""

import hashlib
import os
import re

CHECKSUMS = "migrations/checksums"
REPAIR = "a landed migration is never edited; list a new one: cd migrations && sha256sum [0-9]*.sql >checksums"


def migrations(tree):
    """Each migration is listed with its checksum, and each number once."""
    listed = {}
    if not tree.exists(CHECKSUMS):
        yield f"{CHECKSUMS}:1: is missing; {REPAIR}"
    else:
        for number, line in enumerate(tree.text(CHECKSUMS).splitlines(), 1):
            match = re.fullmatch(r"([0-9a-f]{64})  (\S+)", line)
            if not match:
                yield f"{CHECKSUMS}:{number}: is not a line of sha256sum"
            else:
                listed[match[2]] = match[1]

    before = 0
    for path in tree.files("migrations", endings=(".sql",)):
        name = os.path.basename(path)
        if os.path.dirname(path) == "migrations/functions":
            if not re.fullmatch(r"[a-z]+(_[a-z]+)*\.sql", name):
                yield f"{path}:1: is not named functions/<noun>.sql"
            continue
        if not re.fullmatch(r"\d{4}_[a-z]+(_[a-z0-9]+)+\.sql", name):
            yield f"{path}:1: is not named NNNN_verb_object.sql"
            continue
        if int(name[:4]) == before:
            yield f"{path}:1: number {before:04} is taken"
        before = int(name[:4])
        checksum = hashlib.sha256(tree.bytes(path)).hexdigest()
        if name not in listed:
            yield f"{path}:1: is not in {CHECKSUMS}; {REPAIR}"
        elif listed.pop(name) != checksum:
            yield f"{path}:1: has changed since it landed; {REPAIR}"
    for name in sorted(listed):
        yield f"migrations/{name}:1: landed and is gone"
