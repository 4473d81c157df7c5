#!/usr/bin/env python3
"""Queries over the same samples, asked of Narthex and of Debian's Prometheus in turn: CPU seconds of each server.

    bench/promql_side_by_side.py [--pods=2000] [--seconds=1.0]

Both servers run alone on this machine, take the same remote writes and answer each query until `--seconds` of CPU are
used. What a query costs is the CPU time of the whole process, so that work on other threads counts.
"""

import argparse
import os
import pathlib
import random
import struct
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
import remote_write  # noqa: E402
from harness import World, fetch, free_ports  # noqa: E402

END_MS = 1_700_006_400_000
STEP_MS = 15_000
BUCKETS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
HANDLERS = ["read", "write", "list"]

WINDOW = (END_MS // 1000 - 1800, END_MS // 1000, 15)
DAY = (END_MS // 1000 - 86_400, END_MS // 1000, 60)
QUERIES = [
    ("instant: count of all series", "count(latency_bucket)", None),
    ("instant: one series", 'gauge{pod="pod-7"}', None),
    ("72 k buckets: sum by (handler) of rates", "sum by (handler) (rate(latency_bucket[5m]))", WINDOW),
    ("72 k buckets: quantile", "histogram_quantile(0.99, sum by (le, handler) (rate(latency_bucket[5m])))", WINDOW),
    ("72 k buckets: topk of sums", "topk(5, sum by (pod) (rate(latency_bucket[5m])))", WINDOW),
    ("ratio of sums", 'sum(rate(latency_bucket{le="0.1"}[5m])) / sum(rate(latency_bucket{le="+Inf"}[5m]))', WINDOW),
    ("join with labels", 'gauge * on (pod) group_left (zone) pod_info', WINDOW),
    ("and, label_replace", 'label_replace(gauge > 50, "n", "$1", "pod", "pod-(.*)") and on (pod) pod_info', WINDOW),
    ("max_over_time [20m]", "max(max_over_time(gauge[20m]))", WINDOW),
    ("avg_over_time [20m]", "avg(avg_over_time(gauge[20m]))", WINDOW),
    ("stddev_over_time [20m]", "max(stddev_over_time(gauge[20m]))", WINDOW),
    ("quantile_over_time [20m]", "max(quantile_over_time(0.9, gauge[20m]))", WINDOW),
    ("deriv [20m]", "max(deriv(gauge[20m]))", WINDOW),
    ("subquery of sums", "max_over_time(sum by (zone) (gauge * on (pod) group_left (zone) pod_info)[10m:1m])", WINDOW),
    ("rate [1d] at 1 m", "rate(long_total[1d])", DAY),
    ("quantile_over_time [1d] at 1 m", "quantile_over_time(0.9, long_total[1d])", DAY),
]


def encode(labels, times, values):
    samples = b"".join(remote_write.field(2, b"\x09" + struct.pack("<d", v) + b"\x10" + t) for t, v in zip(times, values))
    pairs = b"".join(remote_write.field(1, remote_write.field(1, n.encode()) + remote_write.field(2, v.encode()))
                     for n, v in sorted(labels.items()))
    return remote_write.field(1, pairs + samples)


def send(ports, series):
    body = remote_write.snappy(b"".join(series))
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
               "X-Prometheus-Remote-Write-Version": "0.1.0"}
    for port in ports:
        status, text = fetch(f"http://127.0.0.1:{port}/api/v1/write", body, headers, 300)
        if status not in (200, 204):
            sys.exit(f"remote write: {status} {text[:300]}")


def load(ports, pods):
    chance = random.Random(1)
    # Two days of a few series first: what comes later may not be an hour older than what is there.
    for begin in range(END_MS - 2 * 86_400_000, END_MS - 2_700_000, 1_800_000):
        times = [remote_write.varint(t) for t in range(begin, begin + 1_800_000, STEP_MS)]
        send(ports, [encode({"__name__": "long_total", "i": str(i)}, times,
                             [(begin - END_MS) / 1000 + 172_800 + 7.3 * k * (i + 1) for k in range(len(times))])
                     for i in range(20)])
    times = [remote_write.varint(t) for t in range(END_MS - 2_190_000, END_MS, STEP_MS)]
    count = len(times)
    for first in range(0, pods, 50):
        series = []
        for pod in range(first, min(first + 50, pods)):
            name = f"pod-{pod}"
            for handler in HANDLERS:
                counts = [0.0] * count
                for le in BUCKETS:
                    step = chance.randrange(1, 5)
                    counts = [c + step * k for k, c in enumerate(counts)]
                    series.append(encode({"__name__": "latency_bucket", "pod": name, "handler": handler, "le": le}, times, counts))
            series.append(encode({"__name__": "gauge", "pod": name}, times,
                                 [chance.random() * 100 for _ in range(count)]))
            series.append(encode({"__name__": "pod_info", "pod": name, "zone": f"z{pod % 5}"}, times, [1.0] * count))
        send(ports, series)


def cpu_seconds(program):
    parts = pathlib.Path(f"/proc/{program.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def cost(program, port, query, window, seconds):
    """CPU milliseconds of one answer."""
    params = {"query": query, "time": END_MS // 1000}
    path = "query"
    if window is not None:
        path = "query_range"
        params = {"query": query, "start": window[0], "end": window[1], "step": window[2]}
    url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(params)}"
    status, body = fetch(url, timeout=300)
    if status != 200:
        return None, body[:200]
    began, runs = cpu_seconds(program), 0
    while cpu_seconds(program) - began < seconds and runs < 2000:
        fetch(url, timeout=300)
        runs += 1
    return (cpu_seconds(program) - began) / runs * 1000, len(body)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=2000, help="36 bucket series each")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU per query and server")
    options = parser.parse_args()
    with World() as world:
        config = world.write("p.yml", "global: {scrape_interval: 1h}\n")
        ours, theirs = free_ports(2)
        narthex = world.narthex_server(ours, config, "data", "--web.enable-remote-write-receiver")
        prometheus = world.prometheus(theirs, config, "prometheus", "--web.enable-remote-write-receiver")
        load((ours, theirs), options.pods)
        print("| query | Narthex, CPU ms | Prometheus, CPU ms | ratio |\n|---|---|---|---|")
        total = [0.0, 0.0]
        for name, query, window in QUERIES:
            a, a_size = cost(narthex, ours, query, window, options.seconds)
            b, b_size = cost(prometheus, theirs, query, window, options.seconds)
            if a is None or b is None:
                print(f"| {name} | {a_size} | {b_size} | |")
                continue
            total[0] += a
            total[1] += b
            print(f"| {name} | {a:.2f} | {b:.2f} | {a / b:.3f} |", flush=True)
        print(f"| all | {total[0]:.0f} | {total[1]:.0f} | {total[0] / total[1]:.3f} |")


if __name__ == "__main__":
    main()
