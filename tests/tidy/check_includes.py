"""Who may include what: the arrows between the rooms, and third-party headers only in their room."""

import os
import re

from source import room_of, without_comments

# The arrows of ARCHITECTURE.md.  A room always includes itself.
BELOW = {
    "base": set(),
    "pg": {"base"},
    "crypto": {"base"},
    "http": {"base"},
    "edge": {"base"},
    "telemetry": {"base", "pg", "http"},
    "contract": {"base", "crypto"},
    "gateway": {"base", "crypto", "http"},
    "customer": {"base", "pg"},
    "jobs": {"base", "pg"},
    "vault": {"base", "pg", "crypto"},
    "ledger": {"base", "pg", "crypto"},
    "webhook": {"base", "pg", "crypto", "vault", "customer", "http", "jobs"},
    "payment": {"base", "pg", "crypto", "vault", "contract", "gateway", "customer", "jobs", "ledger", "webhook"},
    "membership": {"base", "pg", "crypto", "contract", "gateway", "customer", "jobs", "payment"},
    "inbox": {"base", "crypto", "http", "gateway", "jobs", "payment"},
    "auth": {"base", "pg", "crypto", "vault", "contract", "customer"},
    "sandbox": {"base", "pg", "crypto", "contract", "gateway", "customer", "jobs"},
}
SERVICES = {"auth", "payment", "membership", "sandbox"}
# What a call passes through knows the rooms of the services; the house knows every room.
BELOW["rpc"] = set(BELOW)
BELOW["house"] = set(BELOW)
# The command line is a program of its own, on the client library.
BELOW["cli"] = {"base", "crypto", "http"}
# So is the simulator, which knows nothing of the house: what it says must be what a foreign gateway would say.
BELOW["simulator"] = {"base", "crypto", "http"}

THIRD_PARTY = {
    r"grpc/": {"rpc"},
    r"protobuf-c/": {"rpc", "cli"},
    r"libpq-fe\.h|libpq/|postgres_ext\.h": {"pg"},
    r"openssl/ssl\.h|openssl/err\.h": {"crypto", "edge"},
    r"openssl/|argon2\.h|sodium\.h": {"crypto"},
    r"jansson\.h": {"gateway", "crypto", "auth", "rpc", "cli", "simulator"},
    r"dlfcn\.h": {"edge", "rpc"},
    r"curl/|microhttpd\.h|gnutls/": {"http"},
    r"sanitizer/|valgrind/": {"base"},
}

SYSTEM = re.compile(
    r"(assert|ctype|dirent|endian|errno|fcntl|ftw|getopt|grp|inttypes|libgen|limits|locale|malloc|netdb|poll"
    r"|pthread|pwd|sched|semaphore|signal|spawn|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib"
    r"|stdnoreturn|string|strings|syslog|termios|time|ucontext|unistd|(arpa|linux|net|netinet|sys)/\w+)\.h"
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+([<"])([^>"]+)[>"]', re.MULTILINE)


def includes(tree, path):
    text = without_comments(tree.text(path))
    for match in INCLUDE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1], match[2]


def sources(tree):
    return tree.files("src", endings=(".c", ".h"))


def _generated_allowed(room, header):
    """Code made from the contract: the rooms of the services know dues/, the edge knows all."""
    if room in ("rpc", "cli", "house"):
        return True
    return room in SERVICES | {"contract", "customer", "gateway"} and header.startswith(("dues/", "google/protobuf/"))


def _wrong_arrow(tree, room, path, header):
    first = header.split("/")[0]
    if header.endswith(".pb-c.h") or header == "descriptor_set.h":
        return None if _generated_allowed(room, header) else "generated code of the contract"
    if "/" not in header:
        if room in ("house", "cli") and tree.exists(os.path.join(os.path.dirname(path), header)):
            return None
        return "a header without its room (write room/header.h)"
    if first == "dues":
        return None if room == "cli" else "the client library"
    if first not in BELOW:
        return "a room that is not known"
    if first == room or first in BELOW.get(room, set()):
        return None
    return f"room {first}"


def arrows(tree):
    """A room includes itself and the rooms below it."""
    for path in sources(tree):
        room = room_of(path)
        if room not in BELOW:
            yield f"{path}:1: room '{room}' has no arrows in check_includes.py"
            continue
        for line, kind, header in includes(tree, path):
            wrong = _wrong_arrow(tree, room, path, header) if kind == '"' else None
            if wrong:
                yield f"{path}:{line}: room {room} must not include \"{header}\": {wrong}"
    yield from _linker_arrows(tree)


def _linker_arrows(tree):
    path = "src/CMakeLists.txt"
    if not tree.exists(path):
        return
    for match in re.finditer(r"dues_room\(\s*(\w+)([^)]*)\)", tree.text(path)):
        uses = re.search(r"\bUSES\b(.*?)(\bLINKS\b|$)", match[2], re.DOTALL)
        for room in (uses[1].split() if uses else []):
            if room != "proto" and room not in BELOW.get(match[1], set()):
                line = tree.text(path).count("\n", 0, match.start()) + 1
                yield f"{path}:{line}: room {match[1]} must not be linked with {room}"


def third_party(tree):
    """A foreign header stays in the room that hides it."""
    for path in sources(tree):
        room = room_of(path)
        for line, kind, header in includes(tree, path):
            if kind != "<" or SYSTEM.fullmatch(header):
                continue
            rooms = next((r for p, r in THIRD_PARTY.items() if re.match(p, header)), None)
            if rooms is None:
                yield f"{path}:{line}: <{header}> has no room in check_includes.py"
            elif room not in rooms:
                yield f"{path}:{line}: <{header}> belongs to {', '.join(sorted(rooms))}, not to {room}"


def own_header(tree):
    """x.c includes x.h first, or a header of its room that does: so x.h stands alone."""
    for path in tree.files("src", endings=(".c",)):
        header = path[:-2] + ".h"
        if not tree.exists(header):
            continue
        own = {header[len("src/") :], os.path.basename(header)}
        first = next((h for _, _, h in includes(tree, path)), None)
        if first in own:
            continue
        through = f"src/{first}"
        if first and tree.exists(through) and room_of(through) == room_of(path):
            if own & {h for _, _, h in includes(tree, through)}:
                continue
        yield f"{path}:1: its own header is not included first"
