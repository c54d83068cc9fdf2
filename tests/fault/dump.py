"""A dump of a database, restored into a PostgreSQL of its own that lives as long as it is read."""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from artefacts import Unreadable
from processes import Broken, die_with_parent, until

USER = "postgres"


def binaries():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    if not found:
        raise Unreadable("there is no PostgreSQL here to restore a dump with")
    return found[-1]


def is_custom(path):
    if os.path.isdir(path):
        return True
    with open(path, "rb") as file:
        return file.read(5) == b"PGDMP"


def run(command, what, user=None, may_complain=False):
    result = subprocess.run(command, capture_output=True, text=True, check=False, user=user, cwd="/")
    if result.returncode != 0 and not may_complain:
        raise Unreadable(f"{what}: {result.stderr.strip()[-500:]}")
    return result.stdout.strip()


def restore(path, connection):
    """Owners and grants of the dump name roles that are not here; that they are missing changes no row."""
    if not os.path.exists(path):
        raise Unreadable(f"there is no dump {path}")
    if is_custom(path):
        run(["pg_restore", "--no-owner", "--no-acl", "-d", connection, path], "pg_restore", may_complain=True)
    else:
        run(["psql", "-X", "-q", "-d", connection, "-f", path], "psql", may_complain=True)
    if run(["psql", "-X", "-A", "-t", "-d", connection, "-c", "SELECT to_regclass('dues.payment') IS NOT NULL"], "psql") != "t":
        raise Unreadable(f"{path} is no dump of a database of dues")


@contextlib.contextmanager
def restored(path):
    """The connection string of a database with what is in the dump."""
    scratch = tempfile.mkdtemp(prefix="dues-dump-")
    user = USER if os.geteuid() == 0 else None
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(scratch, account.pw_uid, account.pw_gid)
    data = os.path.join(scratch, "data")
    server = None
    try:
        run([os.path.join(binaries(), "initdb"), "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            "initdb", user)
        connection = f"host={scratch} port=5432 dbname=postgres user={USER}"
        with open(os.path.join(scratch, "log"), "wb") as log:
            server = subprocess.Popen(
                [os.path.join(binaries(), "postgres"), "-D", data, "-c", "listen_addresses=", "-c",
                 f"unix_socket_directories={scratch}", "-c", "port=5432", "-c", "fsync=off"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user, cwd="/", preexec_fn=die_with_parent)
        until(lambda: server.poll() is None and subprocess.run(
            ["psql", "-X", "-q", "-d", connection, "-c", "SELECT 1"], capture_output=True, check=False).returncode == 0,
            "the scratch PostgreSQL")
        restore(path, connection)
        yield connection
    except Broken as broken:
        raise Unreadable(str(broken)) from broken
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)
            server.wait(60)
        shutil.rmtree(scratch, ignore_errors=True)
