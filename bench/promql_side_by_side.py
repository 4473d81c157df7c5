#!/usr/bin/env python3
"""Queries over the same samples, asked of Narthex and of Debian's Prometheus in turn: CPU, wall time and peak memory.

    bench/promql_side_by_side.py [--pods=2000] [--seconds=1.0]

The servers take the same remote writes and answer each query, over one connection, until `--seconds` of CPU are used.
What is "asked at once" comes from a client that loses no time between an answer and the next request; Python's HTTP
client takes half a millisecond, in which a server falls asleep.
What a query costs is the CPU time of the whole process, so that work on other threads counts; peak memory is the
largest resident set while it is asked. A third server is Narthex with --query.threads=1.
"""

import argparse
import http.client
import os
import pathlib
import random
import re
import socket
import struct
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/e2e"))
import remote_write  # noqa: E402
from harness import World, fetch, free_ports  # noqa: E402

END_MS = 1_700_006_400_000
STEP_MS = 15_000
BUCKETS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
HANDLERS = ["read", "write", "list"]

AT_ONCE = 500  # Answers over one connection.
WINDOW = (END_MS // 1000 - 1800, END_MS // 1000, 15)
DAY = (END_MS // 1000 - 86_400, END_MS // 1000, 60)
QUERIES = [
    ("instant: count of all series", "count(latency_bucket)", None),
    ("instant: one series", 'gauge{pod="pod-7"}', None),
    ("instant: one series, asked at once", 'gauge{pod="pod-7"}', None),
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
        status = 503
        while status == 503:  # "Send again": an idle series went while the request was under way.
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


class Server:
    """A server that takes samples, and what it uses."""

    def __init__(self, program, port):
        self.port = port
        self.pid = program.process.pid
        self.proc = pathlib.Path(f"/proc/{self.pid}")
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def ask(self, path):
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def ask_at_once(self, path, answers):
        """So many times the same, with as little time between two of them as can be."""
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(answers):
                connection.sendall(request)
                answer = connection.recv(65536)
                head, _, body = answer.partition(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                while len(body) < length:
                    body += connection.recv(65536)

    def cpu_seconds(self):
        """Of all threads, those that have ended included: the clock that clock_getcpuclockid(3) names."""
        return time.clock_gettime((~self.pid << 3) | 2)

    def forget_peak(self):
        self.proc.joinpath("clear_refs").write_text("5")

    def peak_megabytes(self):
        return int(re.search(r"VmHWM:\s+(\d+)", self.proc.joinpath("status").read_text())[1]) / 1024

    def settle(self):
        """Waits until what the load has left to do is done."""
        quiet = 0
        while quiet < 3:
            before = self.cpu_seconds()
            time.sleep(1)
            quiet = quiet + 1 if self.cpu_seconds() - before < 0.02 else 0


class Cost:
    """Of one answer, CPU and wall in milliseconds, the peak in megabytes."""

    def __init__(self, server, query, window, seconds, at_once):
        params = {"query": query, "time": END_MS // 1000}
        path = "query"
        if window is not None:
            path = "query_range"
            params = {"query": query, "start": window[0], "end": window[1], "step": window[2]}
        path = f"/api/v1/{path}?{urllib.parse.urlencode(params)}"
        server.forget_peak()
        status, body = server.ask(path)
        if status != 200:
            sys.exit(f"{query}: {status} {body[:300]}")
        self.peak = server.peak_megabytes()
        began, clock, runs = server.cpu_seconds(), time.monotonic(), 0
        while server.cpu_seconds() - began < seconds and runs < 2000:
            if at_once:
                server.ask_at_once(path, AT_ONCE)
            else:
                server.ask(path)
            runs += AT_ONCE if at_once else 1
        self.cpu = (server.cpu_seconds() - began) / runs * 1000
        self.wall = (time.monotonic() - clock) / runs * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=2000, help="36 bucket series each")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU per query and server")
    options = parser.parse_args()
    receive = "--web.enable-remote-write-receiver"
    with World() as world:
        config = world.write("p.yml", "global: {scrape_interval: 1h}\n")
        ports = free_ports(3)
        servers = [Server(world.narthex_server(ports[0], config, "data", receive), ports[0]),
                   Server(world.prometheus(ports[1], config, "prometheus", receive), ports[1]),
                   Server(world.narthex_server(ports[2], config, "one", receive, "--query.threads=1"), ports[2])]
        load(ports, options.pods)
        time.sleep(70)  # Both look once a minute whether there is a block to be cut.
        for server in servers:
            server.settle()
        print("CPU and wall time in ms, peak memory in MB, of Narthex and Prometheus; 1: Narthex on one thread.\n")
        print("| query | CPU | | ratio | peak | | ratio | wall | | CPU 1 | wall 1 |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        cpu = [0.0, 0.0]
        for name, query, window in QUERIES:
            ours, theirs, one = (Cost(server, query, window, options.seconds, "at once" in name) for server in servers)
            cpu = [cpu[0] + ours.cpu, cpu[1] + theirs.cpu]
            print(f"| {name} | {ours.cpu:.2f} | {theirs.cpu:.2f} | {ours.cpu / theirs.cpu:.3f} | {ours.peak:.0f} | "
                  f"{theirs.peak:.0f} | {ours.peak / theirs.peak:.2f} | {ours.wall:.2f} | {theirs.wall:.2f} | "
                  f"{one.cpu:.2f} | {one.wall:.2f} |", flush=True)
        print(f"| all | {cpu[0]:.0f} | {cpu[1]:.0f} | {cpu[0] / cpu[1]:.3f} | | | | | | | |")


if __name__ == "__main__":
    main()
