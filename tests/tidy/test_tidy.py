"""Plants violations in a temporary tree and sees them found; a check that cannot fail proves nothing."""

import hashlib
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import tidy  # noqa: E402
from source import Tree, code_only, functions  # noqa: E402

COMMENT = "/*\n * What this file is for, said in one sentence.\n */\n\n"
REASON_PROTO = "enum Reason {\n  REASON_UNSPECIFIED = 0;\n  REASON_INVALID_FIELD = 1;\n}\n"
MAKERS = (
    "struct error *refuse(struct call *call, enum status status, const char *reason, const char *format,\n"
    "                     ...) PRINTF_LIKE(4, 5);\n"
)
SERVICE_PROTO = "service PaymentService {\n  // rpc Old(A) returns (B);\n  rpc GetPayment(A) returns (B);\n}\n"
SERVICE = 'static const struct rpc_method methods[] = {\n    {"GetPayment", get_payment, .scope = "x"},\n};\n'
HANDLER = "const struct error *get_payment(struct call *call, const void *request, void *reply)\n{\n    return NULL;\n}\n"
MIGRATION = "CREATE TABLE a (b bigint);\n"
TOKENS = (
    '    {"tok_visa", "pm_card_visa", "visa", "4242", SANDBOX_APPROVES, ""},\n'
    '    {"tok_lost", "", "visa", "9987",\n     SANDBOX_DECLINES, "lost_card"},\n'
)
DECLINES = '    {"lost_card", DECLINE_NEW_METHOD, CUSTOMER, GENERAL, true},\n'
EVENT_TYPES = "SELECT ARRAY[\n    'payment.failed'\n]\n"
EVENT_STEP = "x := event_append(c, 'payment.' || lower(s), p, jsonb_build_object('amount', 1), now);"
EVENT_SUBJECTS = 'struct s subjects[] = {\n    {"payment", PAYMENT_PATTERN},\n};\n'
EVENT_DOC = "| `payment.failed` | payment | `amount` | it failed |\n"

TOKEN_ROW = "| `tok_visa` | `pm_card_visa` | visa 4242 | SUCCEEDED | | |\n"
LOST_ROW = "| `tok_lost` | | visa 9987 | FAILED | `lost_card` | NEW_METHOD |\n"


def long_function(lines):
    return "static int f(void)\n{\n" + "    x();\n" * (lines - 2) + "}\n"


def checksum(text):
    return hashlib.sha256(text.encode()).hexdigest()


# check → trees without a violation; each is {path: text}.
CLEAN = {
    "arrows": [
        {
            "src/payment/a.c": '#include "payment/b.h"\n#include "pg/pg.h"\n#include "base/id.h"\n'
            '#include "dues/payment/v1/payment.pb-c.h"\n// #include "rpc/x.h"\n',
            "src/main.c": '#include "config.h"\n#include "rpc/server.h"\n',
            "src/config.h": "",
            "src/CMakeLists.txt": "dues_room(payment USES base pg proto LINKS rpc)\n",
        }
    ],
    "third_party": [
        {
            "src/rpc/a.c": "#include <grpc/grpc.h>\n#include <protobuf-c/protobuf-c.h>\n",
            "src/pg/a.c": "#include <libpq-fe.h>\n#include <sys/socket.h>\n",
            "src/crypto/a.c": "#include <openssl/evp.h>\n#include <argon2.h>\n",
        }
    ],
    "own_header": [
        {"src/pg/a.c": '#include "pg/a.h"\n#include <poll.h>\n', "src/pg/a.h": ""},
        {
            "src/pg/a.c": '#include "pg/pg_internal.h"\n',
            "src/pg/a.h": "",
            "src/pg/pg_internal.h": '#include "pg/a.h"\n',
        },
        {"src/pg/b.c": "#include <poll.h>\n"},
    ],
    "macros": [
        {
            "src/base/attributes.h": "#define TRY(e) \\\n    do { if (e) return e; } while (0)\n",
            "src/base/a.c": '#define TEXT "return" /* break */\nint f(void)\n{\n    return 1;\n}\n',
        }
    ],
    "function_length": [{"src/base/a.c": long_function(70)}],
    "file_length": [{"src/base/a.c": "\n" * 500}],
    "opening": [{"src/base/a.c": COMMENT, "src/base/a.h": "/* x */\n#pragma once\n"}],
    "names": [{"src/base/text.c": "int text_length(void)\n{\n}\n", "src/base/utility_of_time.c": ""}],
    "memory": [
        {
            "src/base/arena.c": "x = malloc(1); free(x);\n",
            "src/pg/pg.c": "struct pg *pg_open(void)\n{\n    return calloc(1, 2);\n}\n\n"
            "void pg_close(struct pg *pg)\n{\n    free(pg);\n}\n",
            "src/cli/a.c": "x = malloc(1);\n",
            "src/payment/a.c": '/* malloc(1) */ x = "free(x)"; arena_free(a); blocks_free(b); s->free(c);\n',
        }
    ],
    "floats": [
        {
            "src/base/a.c": '/* a float of 1.5 */ const char *double_entry = "1.5"; int x = 15; // double\n',
            "migrations/0001_create_a.sql": "-- real money\nCREATE TABLE a (money_taken bigint);\n",
        }
    ],
    "world": [
        {
            "src/base/time.c": "clock_gettime(CLOCK_REALTIME, &now);\n",
            "src/base/random.c": "getrandom(bytes, size, 0);\n",
            "src/config.c": 'getenv("X");\n',
            "src/payment/a.c": "clock_wall_us(clock); call->time(1); run_time(2); /* time(NULL) */\n",
        }
    ],
    "sql_text": [
        {
            "src/payment/a.c": '.sql = "SELECT " "a FROM b";\n'
            'arena_printf(arena, "select another %s", text); // "SELECT"\n'
        }
    ],
    "words": [{"src/a.c": 'mkstemp("/tmp/XXXXXX"); int todo;\n', "README.md": "No TODO here.\n"}],
    "rpc_files": [
        {
            "src/payment/payment_service.c": SERVICE,
            "src/payment/get_payment.c": HANDLER,
            "tests/rpc/test_get_payment.c": "",
            "proto/dues/payment/v1/payment_service.proto": SERVICE_PROTO,
        }
    ],
    "reasons": [
        {
            "proto/dues/type/v1/reason.proto": REASON_PROTO,
            "src/base/call.h": MAKERS,
            "src/payment/a.c": 'refuse(call, STATUS_X, "INVALID_FIELD", "x is %s", "NOT_A_REASON");\n'
            '/* refuse(call, STATUS_X, "OLD", "x"); */\n'
            "struct error e = {.reason = reason, .message = m};\n",
        }
    ],
    "sandbox_tokens": [
        {
            "src/gateway/sandbox/tokens.c": TOKENS,
            "src/gateway/decline.c": DECLINES,
            "docs/sandbox.md": "| token | |\n" + TOKEN_ROW + LOST_ROW,
        }
    ],
    "events": [
        {
            "migrations/functions/event.sql": EVENT_TYPES,
            "migrations/functions/payment.sql": EVENT_STEP,
            "src/customer/event_subject.c": EVENT_SUBJECTS,
            "docs/events.md": EVENT_DOC,
        }
    ],
    "migrations": [
        {
            "migrations/0001_create_a.sql": MIGRATION,
            "migrations/functions/payment.sql": "",
            "migrations/checksums": f"{checksum(MIGRATION)}  0001_create_a.sql\n",
        }
    ],
}

# check → (tree, how many violations, what the first must say).
PLANTED = {
    "arrows": [
        ({"src/base/a.c": '#include "pg/pg.h"\n'}, 1, "src/base/a.c:1: room base must not include \"pg/pg.h\""),
        ({"src/pg/a.c": '\n#include "payment/charge.h"\n'}, 1, "src/pg/a.c:2"),
        ({"src/payment/a.c": '#include "membership/x.h"\n'}, 1, "room membership"),
        ({"src/auth/a.c": '#include "payment/x.h"\n'}, 1, "room payment"),
        ({"src/sandbox/a.h": '#include "rpc/x.h"\n'}, 1, "room rpc"),
        ({"src/rpc/a.c": '#include "config.h"\n', "src/config.h": ""}, 1, "without its room"),
        ({"src/pg/a.c": '#include "lane.h"\n', "src/pg/lane.h": ""}, 1, "without its room"),
        ({"src/pg/a.c": '#include "dues/payment/v1/payment.pb-c.h"\n'}, 1, "generated code"),
        ({"src/payment/a.c": '#include "google/rpc/status.pb-c.h"\n'}, 1, "generated code"),
        ({"src/payment/a.c": '#include "dues/client.h"\n'}, 1, "client library"),
        ({"src/billing/a.c": ""}, 1, "has no arrows"),
        ({"src/CMakeLists.txt": "dues_room(base)\ndues_room(pg USES base payment LINKS x)\n"}, 1, "CMakeLists.txt:2"),
    ],
    "third_party": [
        ({"src/payment/a.c": "#include <grpc/grpc.h>\n"}, 1, "belongs to rpc"),
        ({"src/payment/a.c": "#include <protobuf-c/protobuf-c.h>\n"}, 1, "belongs to cli, rpc"),
        ({"src/auth/a.c": "#  include <openssl/evp.h>\n"}, 1, "belongs to crypto"),
        ({"src/jobs/a.h": "#include <libpq-fe.h>\n"}, 1, "belongs to pg"),
        ({"src/membership/a.c": "#include <jansson.h>\n"}, 1, "src/membership/a.c:1"),
        ({"src/pg/a.c": "#include <uv.h>\n"}, 1, "has no room"),
    ],
    "own_header": [
        ({"src/pg/a.c": '#include <poll.h>\n#include "pg/a.h"\n', "src/pg/a.h": ""}, 1, "src/pg/a.c:1"),
        ({"src/pg/a.c": "", "src/pg/a.h": ""}, 1, "src/pg/a.c:1"),
        ({"src/pg/a.c": '#include "pg/b.h"\n', "src/pg/a.h": "", "src/pg/b.h": ""}, 1, "src/pg/a.c:1"),
    ],
    "macros": [
        ({"src/base/a.h": "\n#define CHECK(x) \\\n    if (!(x)) \\\n        return x\n"}, 1, "src/base/a.h:2: macro CHECK"),
        ({"tests/unit/a.c": "#define OUT goto out\n"}, 1, "'goto'"),
        ({"include/dues/a.h": "# define NEXT continue\n"}, 1, "'continue'"),
        ({"src/a.c": "#define STOP break\n"}, 1, "'break'"),
        ({"src/pg/a.h": "#define TRY(e) return e\n"}, 1, "macro TRY"),
    ],
    "function_length": [
        ({"src/base/a.c": "int x;\n\n" + long_function(71)}, 1, "src/base/a.c:4: f has 71 lines"),
        ({"tests/unit/a.c": long_function(200)}, 1, "f has 200 lines"),
    ],
    "file_length": [({"src/base/a.h": "\n" * 501}, 1, "501 lines")],
    "opening": [
        ({"src/base/a.c": "#include <poll.h>\n/* What this file is for. */\n"}, 1, "does not open"),
        ({"tests/unit/a.c": "/* a.c */\n"}, 1, "does not open"),
        ({"src/base/a.h": "/* #pragma once */\n"}, 1, "#pragma once"),
    ],
    "names": [
        ({"src/base/util.c": ""}, 1, "'util' says nothing"),
        ({"src/pg/pg_helpers.h": ""}, 1, "'pg_helpers' says nothing"),
        ({"src/pg/Lane.c": ""}, 1, "snake_case"),
        ({"src/pg/a.c": "static int doIt(int a,\n                int b)\n{\n}\n"}, 1, "src/pg/a.c:3: doIt"),
    ],
    "memory": [
        ({"src/payment/a.c": "x = malloc(1);\n"}, 1, "src/payment/a.c:1: malloc"),
        ({"src/payment/a.c": "x = calloc(1, 2);\nfree (x);\n"}, 2, "closes nothing"),
        ({"src/pg/pg.c": "void pg_close(void)\n{\n    realloc(a, 1);\n}\n"}, 1, "pg.c:3: realloc"),
        ({"src/pg/a.c": "vasprintf(&a, b, c);\n"}, 1, "vasprintf"),
    ],
    "floats": [
        ({"src/base/a.c": "double x;\n"}, 1, "'double'"),
        ({"include/dues/a.h": "\nfloat f(void);\n"}, 1, "a.h:2"),
        ({"src/base/a.c": "x = y * 1.5;\n"}, 1, "'1.5'"),
        ({"migrations/0001_create_a.sql": "CREATE TABLE a (b double precision,\n c real);\n"}, 2, "'double precision'"),
    ],
    "world": [
        ({"src/payment/a.c": "now = time(NULL);\n"}, 1, "src/base/time.c"),
        ({"src/rpc/a.c": "clock_gettime(CLOCK_MONOTONIC, &until);\n"}, 1, "clock_gettime"),
        ({"src/auth/a.c": "x = rand() % 5;\n"}, 1, "src/base/random.c"),
        ({"src/pg/a.c": 'getenv("PGHOST");\n'}, 1, "src/config.c"),
    ],
    "sql_text": [
        ({"src/payment/a.c": '\nsnprintf(t, 9,\n    "SELECT %s", x);\n'}, 1, "src/payment/a.c:2"),
        ({"src/pg/a.c": 'arena_printf(a, "DELETE " "FROM %s", x);\n'}, 1, "arena_printf"),
    ],
    "words": [
        ({"src/a.c": "/* TO" + "DO: later */\n"}, 1, "src/a.c:1"),
        ({"scripts/run": "#!/bin/sh\n# FIX" + "ME\n"}, 1, "scripts/run:2"),
        ({"migrations/a.sql": "-- XX" + "X\n"}, 1, "a.sql:1"),
    ],
    "rpc_files": [
        ({"src/payment/payment_service.c": SERVICE, "tests/rpc/test_get_payment.c": ""}, 1, "no src/payment/get_payment.c"),
        (
            {
                "src/payment/payment_service.c": SERVICE,
                "src/payment/get_payment.c": "const struct error *get_other(void)\n{\n}\n",
                "tests/rpc/test_get_payment.c": "",
            },
            1,
            "does not define get_payment",
        ),
        ({"src/payment/payment_service.c": SERVICE, "src/payment/get_payment.c": HANDLER}, 1, "no tests/rpc/test_get_payment.c"),
        ({"src/auth/auth_service.c": '    {"LogIn",\n     login, .scope = "x"},\n'}, 3, "is log_in, not login"),
        ({"proto/dues/payment/v1/payment_service.proto": SERVICE_PROTO}, 1, "payment_service.proto:3: GetPayment has no row"),
    ],
    "reasons": [
        ({"proto/dues/type/v1/reason.proto": REASON_PROTO}, 1, "nothing was checked"),
        ({"src/a.c": 'refuse(call,\n    STATUS_X, "UNHEARD_OF", "x, %d", f(1, 2));\n'}, 1, "src/a.c:1: reason UNHEARD_OF"),
        ({"src/a.c": 'refuse(call, S, late ? "INVALID_FIELD" : "TOO_LATE", "x");\n'}, 1, "TOO_LATE"),
        ({"src/a.c": 'struct error e = {.status = 1, .reason = "NEW_ONE"};\n'}, 1, "NEW_ONE"),
        (
            {
                "src/a.c": "static struct error *not_found(struct call *call, const char *reason)\n{\n}\n",
                "src/b.c": 'return not_found(call, "GHOST_NOT_FOUND");\n',
            },
            1,
            "src/b.c:1: reason GHOST_NOT_FOUND",
        ),
    ],
    "sandbox_tokens": [
        ({"docs/sandbox.md": TOKEN_ROW}, 1, "must say  | visa 9987 | lost_card | NEW_METHOD"),
        ({"docs/sandbox.md": TOKEN_ROW.replace("pm_card_visa", "pm_visa") + LOST_ROW}, 1, "sandbox.md:1: the row of tok_visa"),
        ({"docs/sandbox.md": TOKEN_ROW + LOST_ROW.replace("NEW_METHOD", "STOP")}, 1, "sandbox.md:2: the row of tok_lost"),
        ({"docs/sandbox.md": TOKEN_ROW + LOST_ROW + TOKEN_ROW.replace("visa`", "old`")}, 1, "sandbox.md:3: tok_old is no token"),
        (
            {"src/gateway/sandbox/tokens.c": TOKENS + '{"tok_new", 0},\n', "docs/sandbox.md": TOKEN_ROW + LOST_ROW},
            1,
            "tokens.c:4: the row of tok_new could not be read",
        ),
        ({"src/gateway/sandbox/tokens.c": TOKENS}, 1, "nothing was checked"),
    ],
    "events": [
        ({"docs/events.md": ""}, 2, "payment.failed of event_types() is not told"),
        ({"docs/events.md": EVENT_DOC + EVENT_DOC.replace("failed", "made")}, 1, "docs/events.md:2: payment.made is not in event_types()"),
        ({"docs/events.md": EVENT_DOC.replace("`amount`", "`price`")}, 2, "payment.sql:1: writes amount, which docs/events.md does not say"),
        ({"docs/events.md": EVENT_DOC.replace("| payment |", "| refund |")}, 1, "docs/events.md:1: the subject of payment.failed is payment"),
        ({"src/customer/event_subject.c": ""}, 1, "event_subject.c:1: names no subject of payment.failed"),
        ({"migrations/functions/payment.sql": ""}, 1, "nothing was checked"),
        (
            {"migrations/functions/payment.sql": EVENT_STEP + "\n" + EVENT_STEP.replace("'payment.", "'refund.")},
            1,
            "payment.sql:2: refund. is no type of event_types()",
        ),
    ],
    "migrations": [
        ({"migrations/0001_create_a.sql": MIGRATION}, 2, "checksums:1: is missing"),
        (
            {"migrations/0001_create_a.sql": MIGRATION + " ", "migrations/checksums": f"{checksum(MIGRATION)}  0001_create_a.sql\n"},
            1,
            "has changed since it landed",
        ),
        ({"migrations/checksums": f"{checksum(MIGRATION)}  0001_create_a.sql\n"}, 1, "landed and is gone"),
        ({"migrations/checksums": "0001_create_a.sql\n"}, 1, "not a line of sha256sum"),
        (
            {
                "migrations/0001_create_a.sql": MIGRATION,
                "migrations/0001_create_b.sql": MIGRATION,
                "migrations/checksums": f"{checksum(MIGRATION)}  0001_create_a.sql\n{checksum(MIGRATION)}  0001_create_b.sql\n",
            },
            1,
            "number 0001 is taken",
        ),
        ({"migrations/1_a.sql": "", "migrations/functions/X.sql": "", "migrations/checksums": ""}, 2, "is not named NNNN"),
    ],
}

# What a planted tree needs besides the violation, unless it brings its own.
NEEDED = {
    "reasons": {"proto/dues/type/v1/reason.proto": REASON_PROTO, "src/base/call.h": MAKERS},
    "sandbox_tokens": {"src/gateway/sandbox/tokens.c": TOKENS, "src/gateway/decline.c": DECLINES},
    "events": {
        "migrations/functions/event.sql": EVENT_TYPES,
        "migrations/functions/payment.sql": EVENT_STEP,
        "src/customer/event_subject.c": EVENT_SUBJECTS,
        "docs/events.md": EVENT_DOC,
    },
}


def run(check, files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            place = os.path.join(root, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "w", encoding="utf-8") as file:
                file.write(text)
        return list(tidy.CHECKS[check](Tree(root)))


class PlantedViolations(unittest.TestCase):
    def test_every_check_has_both_kinds_of_tree(self):
        self.assertEqual(set(tidy.CHECKS), set(CLEAN))
        self.assertEqual(set(tidy.CHECKS), set(PLANTED))

    def test_ctest_runs_every_check(self):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "CMakeLists.txt"), encoding="utf-8") as file:
            listed = re.search(r"foreach\(check ([^)]*)\)", file.read())[1].split()
        self.assertEqual(set(tidy.CHECKS), set(listed))

    def test_clean_trees_pass(self):
        for check, trees in CLEAN.items():
            for files in trees:
                with self.subTest(check=check, files=list(files)):
                    self.assertEqual(run(check, files), [])

    def test_planted_violations_are_found(self):
        for check, trees in PLANTED.items():
            for files, count, words in trees:
                with self.subTest(check=check, files=list(files)):
                    # The first plant of `reasons` is a tree in which the makers are missing.
                    needed = {} if files.keys() == {"proto/dues/type/v1/reason.proto"} else NEEDED.get(check, {})
                    found = run(check, {**needed, **files})
                    self.assertEqual(len(found), count, found)
                    self.assertIn(words, found[0])

    def test_the_program_says_it_with_its_exit_code(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertEqual(tidy.main(["floats", root]), 0)
            os.makedirs(os.path.join(root, "src"))
            with open(os.path.join(root, "src/a.c"), "w", encoding="utf-8") as file:
                file.write("double x;\n")
            with open(os.devnull, "w", encoding="utf-8") as sys.stdout:
                self.assertEqual(tidy.main(["floats", root]), 1)
            sys.stdout = sys.__stdout__


class Reading(unittest.TestCase):
    def test_comments_and_strings_become_blanks(self):
        self.assertEqual(code_only('a("x /* y */", \'"\') /* b */ c'), 'a("         ", \' \')         c')
        self.assertEqual(code_only('/* "a */ b "c\\"d"'), '         b "    "')

    def test_functions_are_found_with_their_lines(self):
        text = (
            "struct a {\n    int b;\n};\n\n"
            "static __attribute__((noinline)) struct fiber *current_get(void)\n{\n    return x;\n}\n\n"
            "void refuse_all(struct call *call,\n                void (*work)(void *arg)) PRINTF_LIKE(1, 2)\n{\n}\n"
        )
        self.assertEqual(
            [(f.name, f.first_line, f.last_line) for f in functions(text)],
            [("current_get", 6, 8), ("refuse_all", 12, 13)],
        )


if __name__ == "__main__":
    unittest.main()
