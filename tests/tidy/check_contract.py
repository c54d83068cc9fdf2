"""The contract and the code agree: each RPC has its row, its file and its test; each reason is published."""

import re

from source import balanced, functions, line_of, signature, split_arguments, without_comments

REASONS = "proto/dues/type/v1/reason.proto"


def snake_case(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _rows(tree):
    """(path, line, room, method, handler, is_stream) of every row of every service's table."""
    for path in tree.files("src", endings=("_service.c",)):
        text = without_comments(tree.text(path))
        row = r'\{\s*(?:\.name\s*=\s*)?"([A-Z]\w*)",\s*(?:\.(handler|stream)\s*=\s*)?(\w+)\s*[,}]'
        for match in re.finditer(row, text):
            yield path, line_of(text, match.start()), path.split("/")[1], match[1], match[3], match[2] == "stream"


def rpc_files(tree):
    """One RPC is one row, one handler file and one test file."""
    seen = {}
    for path, line, room, method, handler, is_stream in _rows(tree):
        seen[room, method] = is_stream
        if handler != snake_case(method):
            yield f"{path}:{line}: the handler of {method} is {snake_case(method)}, not {handler}"
        source = f"src/{room}/{handler}.c"
        if not tree.exists(source):
            yield f"{path}:{line}: {method} has no {source}"
        elif handler not in [f.name for f in functions(tree.text(source))]:
            yield f"{source}:1: does not define {handler}"
        if not tree.exists(f"tests/rpc/test_{handler}.c"):
            yield f"{path}:{line}: {method} has no tests/rpc/test_{handler}.c"
    for path in tree.files("proto/dues", endings=(".proto",)):
        text = re.sub(r"//[^\n]*", "", tree.text(path))
        room = path.split("/")[2]
        for match in re.finditer(r"^\s*rpc\s+(\w+)\s*\([^)]*\)\s*returns\s*\(\s*(stream\s)?", text, re.MULTILINE):
            if (room, match[1]) not in seen:
                yield f"{path}:{line_of(text, match.start(1))}: {match[1]} has no row in src/{room}/"
            elif seen[room, match[1]] != bool(match[2]):
                yield f"{path}:{line_of(text, match.start(1))}: {match[1]} is a stream here or in its row, not in both"


def _makers(tree, sources):
    """Functions with a parameter `const char *reason`: name → its position."""
    makers = {}
    for path in sources:
        code = tree.code(path)
        for match in re.finditer(r"\bconst\s+char\s*\*\s*reason\b", code):
            begin = max(code.rfind(c, 0, match.start()) for c in ";}{#") + 1
            parsed = signature(" ".join(code[begin : begin + 800].split("\n")))
            if not parsed:
                continue
            for index, parameter in enumerate(split_arguments(parsed[1])):
                if re.search(r"\*\s*reason$", parameter):
                    makers[parsed[0]] = index
    return makers


def reasons(tree):
    """Every reason that an error is given is published in the contract."""
    published = set(re.findall(r"^\s*REASON_(\w+)\s*=", tree.text(REASONS), re.MULTILINE))
    sources = [p for p in tree.files("src", endings=(".c", ".h")) if not p.startswith("src/cli/")]
    makers = _makers(tree, sources)
    if "refuse" not in makers:
        yield f"{REASONS}:1: no maker of errors was found, so nothing was checked"
        return
    call = re.compile(r"\b(" + "|".join(sorted(makers)) + r")\s*\(")
    for path in sources:
        text, code = without_comments(tree.text(path)), tree.code(path)
        found = []
        for match in call.finditer(code):
            end = balanced(code, match.end() - 1)
            arguments = split_arguments(text[match.end() : end - 1])
            if len(arguments) > makers[match[1]]:
                found.append((match.start(), arguments[makers[match[1]]]))
        for match in re.finditer(r'\breason\s*=\s*[^;,}]*', code):
            found.append((match.start(), text[match.start() : match.end()]))
        for index, argument in found:
            for reason in re.findall(r'"((?:\\.|[^"\\])*)"', argument):
                if reason and reason not in published:
                    yield f"{path}:{line_of(code, index)}: reason {reason} is not in {REASONS}"


TOKENS = "src/gateway/sandbox/tokens.c"
DECLINES = "src/gateway/decline.c"
SANDBOX_DOC = "docs/sandbox.md"


def sandbox_tokens(tree):
    """docs/sandbox.md has every token of the sandbox, with its other name, code and class, and no other."""
    if not tree.exists(TOKENS) or not tree.exists(DECLINES) or not tree.exists(SANDBOX_DOC):
        yield f"{SANDBOX_DOC}:1: this, {TOKENS} or {DECLINES} is missing, so nothing was checked"
        return
    source = without_comments(tree.text(TOKENS))
    classes = dict(re.findall(r'\{"(\w+)",\s*DECLINE_(\w+),', without_comments(tree.text(DECLINES))))
    rows = re.findall(r'\{"(tok_\w+)",\s*"(\w*)",\s*"(\w*)",\s*"(\w*)",\s*SANDBOX_(\w+),\s*"(\w*)"\s*\}', source)
    for match in re.finditer(r'"(tok_\w+)"', source):
        if match[1] not in [row[0] for row in rows]:
            yield f"{TOKENS}:{line_of(source, match.start())}: the row of {match[1]} could not be read"
    text = tree.text(SANDBOX_DOC)
    told = {}
    for match in re.finditer(r"^\| `(tok_\w+)` \|([^\n]*)\|$", text, re.MULTILINE):
        told[match[1]] = (line_of(text, match.start()), [cell.strip(" `") for cell in match[2].split("|")])
    for token, alias, brand, last4, behaviour, code in rows:
        decline_class = "" if behaviour == "REFUND_FAILS" else classes.get(code, "")
        expected = [alias, f"{brand} {last4}", code, decline_class]
        line, cells = told.pop(token, (1, []))
        if cells[:2] + cells[-2:] != expected:
            yield f"{SANDBOX_DOC}:{line}: the row of {token} must say {' | '.join(expected)}"
    for token, (line, _) in told.items():
        yield f"{SANDBOX_DOC}:{line}: {token} is no token of {TOKENS}"
