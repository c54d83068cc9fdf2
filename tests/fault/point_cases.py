"""Which faults there are to try: found by letting each operation run in each story and noting what it passes."""

import zlib
from collections import Counter, namedtuple

from point_operations import DONE, GIVEN_UP, MISMATCH

# What goes wrong before the fault that is tried: without it nobody would pass where recovery works.  `age` is how long
# ago the request was sent, when it is asked about again; `hasty`: somebody looks while the lease still holds; `watched`:
# how old what was done is when the server looks at it again ("": it does not); `of`: the only operation that knows it.
Story = namedtuple("Story", "name orders age hasty expected watched of", defaults=("", None))
LOST = ("attempt.send", "*", "error", 1, 0)
SETTLES = (("charge.settle", "*"), ("capture.settle", "*"), ("refund.settle", "*"), ("membership.step", "membership_settle"))
STORIES = (
    Story("plain", (), "0", False, DONE),
    Story("answer lost", (LOST,), "0", False, DONE),
    Story("key too old", (LOST,), "21 hours", False, DONE),
    Story("looked too early", tuple((*settle, "error", 1, 0) for settle in SETTLES), "0", True, DONE),
    Story("resolver fails", (LOST, ("attempt.claim", "*", "error", 1, 0)), "0", False, DONE),
    Story("lease used up", (("attempt.lease", "*", "error", 1, 0),), "0", False, DONE),
    Story("never known", (LOST,), "4 days", False, GIVEN_UP),
    Story("other amount", (("attempt.answer", "*", "error", 0, 0),), "0", False, MISMATCH),
    Story("watched", (), "0", False, DONE, "0", "refund"),
    Story("watched to the end", (), "0", False, DONE, "90 days", "refund"),
)
# The same where the gateway tells its news: they alone find out what nobody heard.  Only what they pass is tried.
NEWS_STORY = Story("told", (LOST,), "0", False, DONE)
NEWS_OPERATIONS = ("charge", "capture", "refund")
# Of the passages of one place in one story, so many are tried.
PASSAGES_MAX = 2
DELAY_MS = 400
JUMPS_MS = {"jump_forth": 7200000, "jump_back": -60000}


class Case(namedtuple("Case", "gateway operation story point detail nth fault")):
    """`point` None: the story as it is."""

    def __str__(self):
        where = f" {self.point}[{self.detail}]#{self.nth} {self.fault}" if self.point else ""
        return f"{self.gateway} {self.operation}, {self.story.name}:{where}"

    @property
    def orders(self):
        if self.point is None:
            return self.story.orders
        if self.fault in JUMPS_MS:
            return *self.story.orders, (self.point, "*", "jump", 0, JUMPS_MS[self.fault])
        return *self.story.orders, (self.point, self.detail, self.fault, self.nth, DELAY_MS)

    @property
    def expected(self):
        return self.story.expected

    def is_in_share(self, share, shares):
        return zlib.crc32(str(self).encode()) % shares == share - 1


def read_registry(path):
    """Faults by point, and where each stands, from the build's list."""
    faults, places = {}, {}
    with open(path, encoding="ascii") as file:
        for line in file:
            name, supported, place = line.split()
            if name in places:
                raise ValueError(f"{name} stands at {places[name]} and at {place}")
            faults[name] = list(JUMPS_MS) if supported == "jump" else supported.split(",")
            places[name] = place
    return faults, places


def passages(told):
    return Counter((point, detail) for what, point, detail, _ in told if what == "passed")


def find_cases(gateway, operations, registry, run):
    """`run(case)` answers what was told.  Yields what may go wrong, each passage in the first story that comes there."""
    for operation in operations:
        known = Counter()
        for story in STORIES:
            if story.of not in (None, operation):
                continue
            base = Case(gateway, operation, story, None, None, 0, None)
            # What is not passed each time is somebody else's, of this server but not of this operation.
            seen = passages(run(base)) & passages(run(base))
            for (point, detail), count in sorted(seen.items()):
                ordered = sum(order[0] == point for order in story.orders)
                first = max(known[point, detail], ordered) + 1
                for nth in range(first, min(count, first + PASSAGES_MAX - 1) + 1):
                    for fault in registry[point]:
                        yield Case(gateway, operation, story, point, detail, nth, fault)
            known |= seen
        for fault in registry.get("clock.wall", ()):
            yield Case(gateway, operation, STORIES[0], "clock.wall", "-", 0, fault)


def is_of_news(point, detail):
    return point.startswith("news.") or detail == "gateway.news" or detail.startswith("news_")


def find_news_cases(operations, registry, run):
    for operation in NEWS_OPERATIONS:
        if operation not in operations:
            continue
        base = Case("news", operation, NEWS_STORY, None, None, 0, None)
        for (point, detail), count in sorted((passages(run(base)) & passages(run(base))).items()):
            if count > 0 and is_of_news(point, detail):
                for fault in registry[point]:
                    yield Case("news", operation, NEWS_STORY, point, detail, 1, fault)
