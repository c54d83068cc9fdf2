"""Requests as bytes and answers read, without generated code: the few fields that the benches need."""

# A request_id of its own for each request: bench_load puts sixteen other digits there.
FRESH = "NNNNNNNNNNNNNNNN"


def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def part(number, value):
    """One field on the wire: text, message bytes or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """Number to value, the last of each; bytes or a number."""
    found, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            found[tag >> 3], at = read_varint(data, at)
        elif tag & 7 == 2:
            size, at = read_varint(data, at)
            found[tag >> 3], at = data[at:at + size], at + size
        else:
            raise ValueError(f"wire type {tag & 7}")
    return found


def text(data, *path):
    """The text at the end of a path of field numbers."""
    for number in path:
        data = fields(data)[number]
    return data.decode()
