#!/usr/bin/env python3
"""Native histograms and exemplars that change hands: our log and blocks read by Prometheus, and the reverse."""

import json
import random
import struct
import subprocess
import time

from harness import Api, check, fetch, free_ports, main
from remote_write import field, snappy, varint

IDLE = "scrape_configs: []\n"
OURS = ["--web.enable-remote-write-receiver", "--web.enable-admin-api", "--enable-feature=exemplar-storage"]
THEIRS = [*OURS[:2], "--enable-feature=native-histograms,exemplar-storage"]
# Without quantiles and fractions (within a bucket, 2.42 interpolates linearly and 3.0 exponentially), without rates
# (2.42 can have the newest histogram of a window in the place of the others, and extrapolates histograms otherwise), and
# with windows that have no sample at their left end, which belongs to them in 2.42 alone.
QUERIES = ["histogram_count(h)", "histogram_sum(h)", "count_over_time(h[19m59s])", "histogram_count(sum(h))",
           "histogram_count(h offset 7m)"]


def zigzag(n):
    return varint(n << 1 if n >= 0 else (-n << 1) - 1)


def number(tag, value):
    return varint(tag << 3) + varint(value)


def double(tag, value):
    return varint(tag << 3 | 1) + struct.pack("<d", value)


def sint(tag, value):
    return varint(tag << 3) + zigzag(value)


def histogram(t_ms, buckets, total, zero, floats, gauge):
    """Field 4 of a time series: schema 1, positive buckets by index."""
    spans, expected = b"", 0
    for index in sorted(buckets):
        spans += field(11, sint(1, index - expected) + number(2, 1))
        expected = index + 1
    counts = [buckets[index] for index in sorted(buckets)]
    count = sum(counts) + zero
    head = double(2, count) if floats else number(1, count)
    zeros = double(7, zero) if floats else number(6, zero)
    if floats:
        values = field(13, b"".join(struct.pack("<d", c) for c in counts))
    else:
        values = field(12, b"".join(zigzag(b - a) for a, b in zip([0, *counts], counts)))
    return field(4, head + double(3, total) + sint(4, 1) + double(5, 2.0 ** -128) + zeros + spans + values
                 + number(14, 3 if gauge else 0) + number(15, t_ms))


def exemplar(t_ms, value, trace):
    label = field(1, field(1, b"trace_id") + field(2, trace.encode()))
    return field(3, label + double(2, value) + number(3, t_ms))


def write_histograms(port, end, gauges=True, minutes=40):
    """Series of every form: counters that are reset and get new buckets, gauges, numbers in between."""
    chance = random.Random(42)
    state = [{} for _ in range(6)]
    for minute in range(-minutes, 0):
        t = (end + minute * 60) * 1000
        body = bytearray()
        for i, buckets in enumerate(state):
            if chance.random() < 0.05:
                buckets.clear()
            for _ in range(3):
                index = chance.randrange(-8, 8)
                buckets[index] = buckets.get(index, 0) + chance.randrange(50)
            labels = b"".join(field(1, field(1, name) + field(2, value)) for name, value in
                              ((b"__name__", b"h"), (b"i", str(i).encode())))
            if i == 5 and minute % 7 == 0:
                body += field(1, labels + field(2, double(1, 1.5) + number(2, t)))
                continue
            body += field(1, labels + histogram(t, buckets, sum(buckets.values()) * 1.25, chance.randrange(3),
                                                i % 2 == 1, gauges and i == 4)
                          + exemplar(t, 0.5 * i, f"trace{minute}"))
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
                   "X-Prometheus-Remote-Write-Version": "0.1.0"}
        status, answer = fetch(f"http://127.0.0.1:{port}/api/v1/write", snappy(bytes(body)), headers)
        check(status in (200, 204), f"remote write: {status} {answer[:300]}")


def data(port, path, **params):
    return Api(port).get(path, **params)


def rounded(value):
    """Without what the last bits of sums may differ in."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    if isinstance(value, str):
        try:
            return f"{float(value):.10g}"
        except ValueError:
            return value
    return value


def same_answers(port, other, end, exemplars=True):
    def by_labels(answer):
        return sorted(rounded(answer["result"]), key=lambda item: json.dumps(item["metric"], sort_keys=True))

    # By steps: a range vector shows the newest whole histogram at all times in old versions of Prometheus.
    raw = [by_labels(data(p, "query_range", query="h", start=end - 3600, end=end - 60, step=60))
           for p in (port, other)]
    check(len(raw[0]) == 6, f"{len(raw[0])} series")
    for mine, theirs in zip(*raw):
        check(mine == theirs, f"raw samples differ:\n ours   {str(mine)[:1500]}\n theirs {str(theirs)[:1500]}")
    for query in QUERIES:
        for at in (end - 60, end - 900):
            mine, theirs = (by_labels(data(p, "query", query=query, time=at)) for p in (port, other))
            check(mine == theirs, f"{query} at {at}:\n ours   {mine}\n theirs {theirs}")
    if exemplars:
        mine, theirs = (data(p, "query_exemplars", query="h", start=end - 3600, end=end) for p in (port, other))
        key = lambda item: item["seriesLabels"]["i"]
        check(sorted(mine, key=key) == sorted(theirs, key=key) and len(mine) == 6,
              f"exemplars:\n ours   {str(mine)[:500]}\n theirs {str(theirs)[:500]}")


def now():
    return int(time.time()) // 60 * 60


def prometheus_reads_our_log(world):
    port, other = free_ports(2)
    idle = world.write("idle.yml", IDLE)
    server = world.narthex_server(port, idle, "ours", *OURS)
    end = now()
    write_histograms(port, end)
    check(server.stop() == 0, "exit code")
    subprocess.run(["cp", "-r", world.folder / "ours", world.folder / "copy"], check=True)
    world.narthex_server(port, idle, "ours", *OURS)
    world.prometheus(other, idle, "copy", *THEIRS)
    same_answers(port, other, end)


def prometheus_reads_our_block(world):
    port, other = free_ports(2)
    idle = world.write("idle.yml", IDLE)
    world.narthex_server(port, idle, "ours", *OURS)
    end = now()
    write_histograms(port, end)
    status, answer = fetch(f"http://127.0.0.1:{port}/api/v1/admin/tsdb/snapshot", b"")
    check(status == 200, answer)
    name = json.loads(answer)["data"]["name"]
    world.prometheus(other, idle, f"ours/snapshots/{name}", *THEIRS)
    same_answers(port, other, end, exemplars=False)


def we_read_log_and_block_of_prometheus(world):
    port, other = free_ports(2)
    idle = world.write("idle.yml", IDLE)
    theirs = world.prometheus(other, idle, "theirs", *THEIRS)
    end = now()
    # Old versions of Prometheus cannot take gauges into a snapshot.
    write_histograms(other, end, gauges=False)
    status, answer = fetch(f"http://127.0.0.1:{other}/api/v1/admin/tsdb/snapshot", b"")
    check(status == 200, answer)
    name = json.loads(answer)["data"]["name"]
    snapshot = world.narthex_server(port, idle, f"theirs/snapshots/{name}", *OURS)
    same_answers(port, other, end, exemplars=False)
    check(snapshot.stop() == 0, "exit code")
    theirs.kill()
    subprocess.run(["cp", "-r", world.folder / "theirs", world.folder / "copy"], check=True)
    world.prometheus(other, idle, "theirs", *THEIRS)
    world.narthex_server(port, idle, "copy", *OURS)
    same_answers(port, other, end)


if __name__ == "__main__":
    main({f.__name__: f for f in [
        prometheus_reads_our_log, prometheus_reads_our_block, we_read_log_and_block_of_prometheus]})
