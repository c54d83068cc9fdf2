"""What the server's process uses, from /proc, and how a good client fares beside the attack."""

import collections
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "fault"))
from environment import die_with_parent  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of all its threads, also of those that ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mb(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def cpu_share(pid, seconds):
    """Of one core, 0.01 is one hundredth."""
    before, begun = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(pid) - before) / (time.monotonic() - begun)


class PeakMemory:
    """Looks at the resident memory while something else goes on."""

    def __init__(self, pid):
        self.pid = pid
        self.peak = resident_mb(pid)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def _look(self):
        while not self.over.wait(0.05):
            try:
                self.peak = max(self.peak, resident_mb(self.pid))
            except (OSError, ValueError, IndexError):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Window:
    """The calls of a good client within a stretch of time."""

    def __init__(self, calls):
        self.calls = len(calls)
        self.failures = collections.Counter(call[2] for call in calls if call[2] != "ok")
        self.failed = sum(self.failures.values())
        times = sorted(call[1] for call in calls if call[2] == "ok")
        self.p50 = self._at(times, 0.50)
        self.p99 = self._at(times, 0.99)

    def tell_failures(self):
        return ", ".join(f"{how} {count}" for how, count in self.failures.most_common(4))

    @staticmethod
    def _at(times, part):
        """Milliseconds; None when there was no answer at all."""
        return times[min(len(times) - 1, int(len(times) * part))] * 1000 if times else None


class GoodClient:
    """client.py in a process of its own, so that our attack does not slow the measuring."""

    def __init__(self, address, certificates, requests, rate):
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [sys.executable, "-B", os.path.join(HERE, "client.py"), address, certificates, str(rate)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, preexec_fn=die_with_parent)
        for path, payload in requests:
            self.process.stdin.write(f"{path} {payload.hex()}\n")
        self.say("go")
        self.calls = []
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        for line in self.process.stdout:
            due, took, how = line.split()
            self.calls.append((float(due), float(took), how))

    def say(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def pause(self):
        self.say("pause")

    def resume(self):
        self.say("go")

    def window(self, begin, end):
        """Of what was due within [begin, end); a call that is still on its way is not among them."""
        return Window([call for call in list(self.calls) if begin <= call[0] < end])

    def watch(self, seconds):
        """Waits that long and a little more, for the last answers."""
        begin = time.monotonic()
        time.sleep(seconds)
        end = time.monotonic()
        time.sleep(0.1)
        return self.window(begin, end)

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.thread.join(5)
