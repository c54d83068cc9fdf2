"""Children of a test: they die with it, and are killed by process id only."""

import ctypes
import os
import random
import signal
import socket
import sys
import time

PATIENCE = 60
PR_SET_PDEATHSIG = 1


class Broken(Exception):
    """Something that should have started did not, or ended by itself."""


def need(build, *programs, preset="release"):
    """Ends in one line when the build is not whole."""
    for program in programs:
        if not os.path.exists(os.path.join(build, program)):
            sys.exit(f"{os.path.basename(sys.argv[0])}: there is no {os.path.join(build, program)}; scripts/build {preset} "
                     f"makes build/{preset}")


def lasting_port():
    """A free port that is still free when its server was killed: the kernel gives it to no outgoing connection."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as place:
            try:
                place.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def until(condition, what, patience=PATIENCE, step=0.01):
    """Waits for it and says how long it took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > patience:
            raise Broken(f"{what} did not happen within {patience} s")
        time.sleep(step)
    return time.monotonic() - begun


def die_with_parent():
    """In a child before it becomes what it shall be: nothing of ours outlives us, however we end."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children_of(pid):
    """Process ids of the direct children, from /proc."""
    children = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
                # The name in parentheses may hold anything; after it come the state and the parent.
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    children.append(int(entry))
        except (OSError, ValueError):
            continue
    return children


def is_alive(pid):
    """A zombie is dead."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
