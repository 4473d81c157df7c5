#!/usr/bin/env python3
"""A block out of a head of many series, by Narthex and by Debian's Prometheus: CPU, memory on top, bytes per sample.

    bench/compaction_side_by_side.py [--series=1000000] [--samples=60] [--narthex-flag=FLAG]

Both take the same remote writes, two hours of samples, one server after the other; then a snapshot over the admin API
writes all of it as one block, which is what cutting the head does. While it runs, /proc/PID/status is read every few
milliseconds: memory of the process itself (RssAnon) apart from pages of mapped files (RssFile), which the kernel takes
back when it needs them.
"""

import argparse
import itertools
import json
import os
import pathlib
import random
import re
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
import remote_write  # noqa: E402
from harness import World, fetch, free_ports  # noqa: E402

END_MS = 1_700_006_400_000
TARGET = 1000  # Series of one scrape target.
PATTERNS = 512
PARTS = 4  # Prometheus takes nothing that is an hour older than what it has.
FLAGS = ["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--storage.tsdb.retention.time=100y"]


def label(name, value):
    return remote_write.field(1, remote_write.field(1, name.encode()) + remote_write.field(2, value.encode()))


def labels(i):
    """Eight, as a scrape of a server brings them."""
    target, k = divmod(i, TARGET)
    pairs = [("__name__", f"app_metric_{k // 50}_total"), ("endpoint", f"/api/v1/resource/{k // 10 % 5}"),
             ("instance", f"10.0.0.{target}:8080"), ("job", "api"), ("method", "GET" if k % 2 == 0 else "POST"),
             ("namespace", "shop"), ("pod", f"api-7d9f8b6c5-{target}"), ("status", str(200 + k // 2 % 5))]
    return b"".join(label(name, value) for name, value in pairs)


def patterns(samples):
    """Encoded samples of series, by part: a quarter stands still, half count events, the rest moves."""
    chance, step = random.Random(1), 7_200_000 // samples
    times = [remote_write.varint(END_MS + step * i) for i in range(samples)]
    found = []
    for p in range(PATTERNS):
        value, encoded = 0.0, []
        for t in times:
            kind = p % 8
            if kind == 6:
                value = float(chance.randrange(64))
            elif kind == 7:
                value = chance.randrange(4096) / 1024
            elif kind >= 2 and chance.randrange(4) == 0:
                value += chance.randrange(16)
            encoded.append(remote_write.field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + t))
        found.append([b"".join(encoded[part * samples // PARTS:(part + 1) * samples // PARTS])
                      for part in range(PARTS)])
    return found


def load(port, series, samples):
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
               "X-Prometheus-Remote-Write-Version": "0.1.0"}
    blobs = patterns(samples)
    for part, begin in itertools.product(range(PARTS), range(0, series, TARGET)):
        body = b"".join(remote_write.field(1, labels(i) + blobs[i * 7919 % PATTERNS][part])
                        for i in range(begin, min(series, begin + TARGET)))
        status, text = fetch(f"http://127.0.0.1:{port}/api/v1/write", remote_write.snappy(body), headers, 300)
        if status not in (200, 204):
            sys.exit(f"remote write: {status} {text[:300]}")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """Anonymous and file-backed resident bytes."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return tuple(int(re.search(rf"{name}:\s+(\d+)", status)[1]) * 1024 for name in ("RssAnon", "RssFile"))


class Peaks(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.anonymous, self.files, self.total, self.ended = pid, 0, 0, 0, False

    def run(self):
        while not self.ended:
            anonymous, files = memory(self.pid)
            self.anonymous = max(self.anonymous, anonymous)
            self.files = max(self.files, files)
            self.total = max(self.total, anonymous + files)
            time.sleep(0.005)


def measure(world, name, start, options, *flags):
    (port,) = free_ports(1)
    config = world.write("idle.yml", "scrape_configs: []\n")
    program = start(port, config, name, *FLAGS, *flags)
    pid = program.process.pid
    began = cpu_seconds(pid)
    load(port, options.series, options.samples)
    loading = cpu_seconds(pid) - began
    time.sleep(5)
    anonymous, files = memory(pid)
    peaks = Peaks(pid)
    peaks.start()
    began, wall = cpu_seconds(pid), time.monotonic()
    status, text = fetch(f"http://127.0.0.1:{port}/api/v1/admin/tsdb/snapshot", b"", None, 900)
    wall, cpu = time.monotonic() - wall, cpu_seconds(pid) - began
    peaks.ended = True
    peaks.join()
    if status != 200:
        sys.exit(f"snapshot: {status} {text}")
    snapshot = world.folder / name / "snapshots" / json.loads(text)["data"]["name"]
    blocks = list(snapshot.glob("01*"))
    stats = [json.loads((block / "meta.json").read_text())["stats"] for block in blocks]
    count = sum(stat["numSamples"] for stat in stats)
    size = sum(file.stat().st_size for block in blocks for file in block.rglob("*") if file.is_file())
    program.kill()
    mb = 1e6
    print(f"{name:10} load {loading:6.1f} s CPU · steady {(anonymous + files) / mb:6.0f} MB ({anonymous / mb:.0f} anonymous)"
          f" · block {cpu:6.2f} s CPU, {wall:6.2f} s · peak on top: anonymous {(peaks.anonymous - anonymous) / mb:6.0f} MB"
          f" ({(peaks.anonymous - anonymous) / (anonymous + files):.0%}), files {(peaks.files - files) / mb:6.0f} MB"
          f" · {count} samples, {sum(s['numSeries'] for s in stats)} series, {sum(s['numChunks'] for s in stats)} chunks,"
          f" {size / count:.3f} bytes/sample", flush=True)
    return {"cpu": cpu, "bytes": size / count}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--samples", type=int, default=60, help="of each series, over two hours")
    parser.add_argument("--narthex-flag", action="append", default=[], help="as in --narthex-flag=--storage.tsdb.compaction-threads=1")
    options = parser.parse_args()
    with World() as world:
        ours = measure(world, "narthex", world.narthex_server, options,
                       *options.narthex_flag)
        theirs = measure(world, "prometheus", world.prometheus, options)
        print(f"ratio: CPU {ours['cpu'] / theirs['cpu']:.3f}, bytes per sample {ours['bytes'] / theirs['bytes']:.3f}")


if __name__ == "__main__":
    main()
