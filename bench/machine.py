"""What a figure is worth without: machine, kernel, versions, settings, and how long a write to disk takes."""

import os
import platform
import re
import subprocess
import time

from house import HERE, run

SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "data_checksums", "wal_level",
            "wal_compression", "shared_buffers", "max_wal_size", "checkpoint_timeout", "commit_delay", "max_connections",
            "jit")


def first_match(pattern, text, otherwise="unknown"):
    found = re.search(pattern, text)
    return found.group(1).strip() if found else otherwise


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def package(name):
    result = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def fsync(house):
    """Of one page of 8 KiB, as PostgreSQL's own program measures it, on the disk that holds the database."""
    output = run([os.path.join(house.environment.binaries(), "pg_test_fsync"), "-s", 1, "-f",
                  os.path.join(house.directory, "fsync-test")], 120)
    found = re.search(r"fdatasync\s+([0-9.]+) ops/sec\s+([0-9]+) usecs/op", output)
    return f"{float(found.group(1)):.0f} a second, {found.group(2)} µs each" if found else "not measured"


def commit():
    result = subprocess.run(["git", "-C", HERE, "log", "-1", "--format=%h of %cs"], capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def about(house, options, load):
    names = ",".join(f"'{name}'" for name in SETTINGS)
    settings = house.query(f"SELECT name || ' = ' || current_setting(name) FROM pg_settings WHERE name IN ({names})"
                           " ORDER BY name")
    cache = read(os.path.join(options.build, "CMakeCache.txt"))
    kind = first_match(r"CMAKE_BUILD_TYPE:\w+=(\w+)", cache)
    hardening = first_match(r"DUES_HARDENING:\w+=(\w+)", cache)
    processor = first_match(r"model name\s*:\s*(.+)", read("/proc/cpuinfo"))
    memory = int(first_match(r"MemTotal:\s+(\d+)", read("/proc/meminfo"), "0"))
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "dues": f"{commit()}, build {kind}, hardening {hardening}, log_level {options.log_level}",
        "machine": f"{os.cpu_count()} × {processor}, "
                   f"{memory // 1024 // 1024} GiB; client, server and PostgreSQL share it; "
                   f"its load before was {load:.1f}",
        "kernel": platform.release(),
        "versions": f"gRPC {package('libgrpc29')}, OpenSSL {package('libssl3')}, PostgreSQL {package('postgresql-15')}",
        "rounds": f"{options.rounds} interleaved rounds of {options.seconds} s after 1 s of warm-up, medians; "
                  f"{options.connections} connections with mutual TLS; a ratio is the median of each round's",
        "fdatasync of 8 KiB": fsync(house),
        "PostgreSQL settings": settings.splitlines(),
    }
