#!/usr/bin/env python3
"""PromQL from outside: the command-line tools, and the same answers as Debian's Prometheus."""

import http.client
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import time
import urllib.parse
import urllib.request

import remote_write
from harness import Api, Failure, NARTHEX, ROOT, check, eventually, fetch, free_ports, main, wait_ready
from histograms_test import write_histograms
from promql_compare import difference
from promql_world import Generator, HistogramGenerator, series

NO_TARGETS = "global: {scrape_interval: 1h}\n"
BEGIN_MS = 1_700_000_000_000


def tool(*words):
    """Exit code, standard output, standard error."""
    done = subprocess.run([NARTHEX, "tool", *map(str, words)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def scripts_are_run(world):
    """`tool test promql` says which answers are not as written, with file and line."""
    good = world.write("good.test", "load 1m\n  m{a=\"1\"} 1 2 3\n\neval instant at 1m sum(m)\n  {} 2\n\n"
                                    "eval instant at 1m rate(m[5m])\n  expect info\n  {a=\"1\"} 0.005\n\n"
                                    "eval instant at 1m m +\n  expect fail\n")
    bad = world.write("bad.test", "load 1m\n  m 1\n\neval instant at 0 m\n  m 1\n\neval instant at 0 m\n"
                                  "  expect warn\n  m 1\n")
    code, out, _ = tool("test", "promql", good)
    check((code, out) == (0, f"{good}: 3 of 3 passed\n"), f"{code} {out}")
    code, out, _ = tool("test", "promql", good, bad)
    check(code == 1 and f"{bad}:7: m: " in out and f"{bad}: 1 of 2 passed" in out, f"{code} {out}")
    code, _, err = tool("test", "promql", world.folder / "none.test")
    check(code == 1 and "none.test" in err, f"{code} {err}")
    check(tool("test", "promql")[0] == 2, "no file is a usage error")


def directories_are_asked(world):
    """`tool query` reads the directory of a running server, in every format."""
    (port,) = free_ports(1)
    server = world.narthex_server(port, world.write("p.yml", NO_TARGETS), "data",
                                  "--web.enable-remote-write-receiver")
    steps = range(0, 600, 15)
    remote_write.write(port, [
        ({"__name__": "m", "a": str(a), "odd": 'x,"y"'}, [(BEGIN_MS + 1000 * s, a + s) for s in steps])
        for a in (1, 2)])
    data = f"--data={world.folder / 'data'}"
    newest = BEGIN_MS // 1000 + 585

    code, out, err = tool("query", data, "sum by (a) (m)")
    check((code, out) == (0, '{a="1"}  586\n{a="2"}  587\n'), f"{code} {out} {err}")
    code, out, _ = tool("query", data, "-o", "csv", "m")
    check(out == f'__name__,a,odd,timestamp,value\nm,1,"x,""y""",{newest},586\nm,2,"x,""y""",{newest},587\n', out)
    code, out, _ = tool("query", data, "--format=promql", f"--time={BEGIN_MS // 1000}", "m{a='1'} * 2")
    check(out == f'{{a="1", odd="x,\\"y\\""}} => 2 @[{BEGIN_MS // 1000}]\n', out)
    code, out, _ = tool("query", data, "-o", "json", "--start", BEGIN_MS // 1000, "--end", BEGIN_MS // 1000 + 60,
                        "--step=30s", "max(m)")
    rows = json.loads(out)["result"]
    check([v for _, v in rows[0]["values"]] == ["2", "32", "62"], out)
    code, out, _ = tool("query", data, "--step=5m", "count(m)")
    check(out.startswith("{}\n") and out.count("Z  2\n") == 2, out)
    code, out, _ = tool("query", data, "1 + 1")
    check((code, out) == (0, "{}  2\n"), out)

    code, out, _ = tool("promql", "explain", "sum by (a) (rate(m[5m])) / on (a) sum by (a) (rate(m[5m]))")
    check(code == 0 and out.count("rate(m[5m])") == 1 and "evaluated already" in out, out)
    code, out, _ = tool("promql", "explain", "--analyze", data, "--step=1m", "sum by (a) (m)")
    check(code == 0 and out.split("\n")[0].split()[:3] == ["operator", "series", "values"], out)
    check(out.split("\n")[2].split()[:5] == ["sum", "by", "(a)", "2", "20"], out)
    plan = Api(port).get("query", query="sum(m)", time=newest, stats="all")["stats"]["plan"]
    check(plan["inputs"][0]["operator"] == "sum" and plan["inputs"][0]["inputs"][0]["series"] == 2, json.dumps(plan))

    code, _, err = tool("query", data, "sum(m")
    check(code == 1 and err.rstrip().endswith("\n       ^") and "parse error" in err, err)
    check(tool("query", data)[0] == 2, "no expression is a usage error")
    check(tool("query", data, "-o", "xml", "m")[0] == 1, "unknown format")
    check(tool("query", "--data=/nonexistent", "m")[0] == 1, "no directory")
    check(server.alive(), "the server has been disturbed")


def cpu_seconds(server):
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task")
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def queries_end_with_their_clients(world):
    """A query stops at once when nobody waits for it; one that would take too much memory is refused."""
    (port,) = free_ports(1)
    server = world.narthex_server(port, world.write("p.yml", NO_TARGETS), "data",
                                  "--web.enable-remote-write-receiver", "--query.max-memory=64MB")
    for part in range(20):
        remote_write.write(port, [({"__name__": "m", "i": f"{part}-{i}"},
                                   [(BEGIN_MS + 15_000 * s, (i * s % 7) / 3) for s in range(240)]) for i in range(100)])
    api = Api(port)

    def metric(name):
        page = fetch(f"http://127.0.0.1:{port}/metrics")[1]
        return float(next(line for line in page.splitlines() if line.startswith(name + " ")).split()[-1])

    slow = {"query": "sum(sum_over_time(quantile_over_time(0.5, m[1h])[1h:10ms]))", "time": BEGIN_MS // 1000 + 3600}
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET /api/v1/query?{urllib.parse.urlencode(slow)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(lambda: metric("prometheus_engine_queries") == 1, "the query runs")
    began, worked = time.monotonic(), cpu_seconds(server)
    while metric("prometheus_engine_queries") > 0:
        check(time.monotonic() - began < 30, "the query goes on")
        time.sleep(0.01)
    # What it has worked, not how long it took: the machine may be busy. All is to take many seconds.
    worked = cpu_seconds(server) - worked
    check(worked < 0.1, f"the query went on for {worked:.3f} s of CPU time")
    check(metric('narthex_engine_queries_ended_total{reason="cancelled"}') == 1, "not counted as cancelled")

    status, body = fetch(f"http://127.0.0.1:{port}/api/v1/query_range?" + urllib.parse.urlencode(
        {"query": "m", "start": BEGIN_MS // 1000, "end": BEGIN_MS // 1000 + 10_000, "step": 1}))
    check(status == 422 and "bytes in memory" in body, f"{status} {body[:200]}")
    check(metric('narthex_engine_queries_ended_total{reason="memory"}') == 1, "not counted")
    check(server.alive() and api.value("count(m)", BEGIN_MS // 1000 + 60) == 2000, "the server is not well")


def queries_of_the_last_run_are_told(world):
    """What ran when the server was killed is in its log at the next start, once; a query that ended is not."""
    (port,) = free_ports(1)
    config = world.write("p.yml", NO_TARGETS)
    server = world.narthex_server(port, config, "data", "--web.enable-remote-write-receiver")
    remote_write.write(port, [({"__name__": "m", "i": str(i)},
                               [(BEGIN_MS + 15_000 * s, (i * s % 7) / 3) for s in range(240)]) for i in range(100)])
    check(Api(port).value("count(m)", BEGIN_MS // 1000 + 60) == 100, "not there")
    slow = {"query": "sum(sum_over_time(quantile_over_time(0.5, m[1h])[1h:1ms]))", "time": BEGIN_MS // 1000 + 3600}
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET /api/v1/query?{urllib.parse.urlencode(slow)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        active = world.folder / "data/queries.active"
        eventually(lambda: b"[1h:1ms]" in active.read_bytes(), "the query runs")
        server.kill()
    for told in (True, False):
        server.log.unlink()
        server = world.narthex_server(port, config, "data", "--web.enable-remote-write-receiver")
        text = server.text()
        check(("did not finish" in text and "[1h:1ms]" in text) == told, text)
        check("count(m)" not in text, "an ended query is told of")
        server.stop()


def queries_wait_for_their_turn(world):
    """So many run at once; the others wait, give up in time, and leave when their clients do. Nothing else waits."""
    (port,) = free_ports(1)
    server = world.narthex_server(port, world.write("p.yml", NO_TARGETS), "data", "--web.enable-remote-write-receiver",
                                  "--query.max-concurrency=3", "--query.threads=1", "--web.cors.origin=http://(a|b)")
    for part in range(20):
        remote_write.write(port, [({"__name__": "m", "i": f"{part}-{i}"},
                                   [(BEGIN_MS + 15_000 * s, (i * s % 7) / 3) for s in range(240)]) for i in range(100)])
    url = f"http://127.0.0.1:{port}"

    def metric(name):
        page = fetch(f"{url}/metrics")[1]
        return float(next(line for line in page.splitlines() if line.startswith(name + " ")).split()[-1])

    def threads():
        return len(os.listdir(f"/proc/{server.process.pid}/task"))

    before = threads(), server.rss_bytes()
    slow = {"query": "sum(sum_over_time(quantile_over_time(0.5, m[1h])[1h:10ms]))", "time": BEGIN_MS // 1000 + 3600}
    request = f"GET /api/v1/query?{urllib.parse.urlencode(slow)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    for client in clients:
        client.sendall(request)
    eventually(lambda: metric("prometheus_engine_queries") == 40, "40 queries run or wait")
    check(metric("prometheus_engine_queries_concurrent_max") == 3, "the limit is shown")
    status, body = fetch(f"{url}/api/v1/query?query=1&timeout=100ms")
    check(status == 503 and '"errorType":"timeout"' in body and "query queue" in body, f"{status} {body}")
    began = time.monotonic()
    status, body = fetch(f"{url}/api/v1/label/i/values")
    check(status == 200 and time.monotonic() - began < 5, f"others are served meanwhile: {status} {body[:100]}")
    began = time.monotonic()
    for client in clients:
        client.close()
    while metric("prometheus_engine_queries") > 0:
        check(time.monotonic() - began < 5, "the queries go on")
    took = time.monotonic() - began
    check(took < 3, f"the queries went on for {took:.3f} s")
    check(metric('narthex_engine_queries_ended_total{reason="cancelled"}') == 40, "not counted as cancelled")
    eventually(lambda: threads() <= before[0] + 3, "threads end when nobody needs them", 30)
    grown = server.rss_bytes() - before[1]
    print(f"cancelled within {took * 1000:.0f} ms; resident memory grew by {grown >> 10} KiB after 40 queries at once")
    check(grown < 48 << 20, f"resident memory grew by {grown}")
    request = urllib.request.Request(f"{url}/api/v1/labels", headers={"Origin": "http://a"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        check(answer.headers["Access-Control-Allow-Origin"] == "http://a", str(answer.headers))
    request = urllib.request.Request(f"{url}/api/v1/labels", headers={"Origin": "http://ax"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        check(answer.headers["Access-Control-Allow-Origin"] is None, str(answer.headers))


def shape_of(line):
    """A line of a query log without what differs from run to run: numbers of `stats`, and the time of writing."""
    line = json.loads(line)
    for key in ("ts", "time", "level", "msg"):
        line.pop(key, None)
    line["stats"] = {part: sorted(values) for part, values in line["stats"].items()}
    return line


def queries_are_logged_as_prometheus_does(world):
    """query_log_file takes the lines that Prometheus writes, goes on in a new file after a rotation, and ends."""
    ours, theirs = free_ports(2)
    logged = "global: {scrape_interval: 1h, query_log_file: %s}\n"
    servers = [(world.narthex_server(ours, world.write("ours.yml", logged % "ours.log"), "data", "--web.enable-lifecycle"),
                ours, world.folder / "ours.log"),
               (world.prometheus(theirs, world.write("theirs.yml", logged % "theirs.log"), "prometheus",
                                 "--web.enable-lifecycle"), theirs, world.folder / "theirs.log")]
    requests = [("query", {"query": "vector(1)", "time": "1700000000.5"}, False),
                ("query", {"query": "1", "time": "1700000000"}, True),
                ("query", {"query": "sum(", "time": "1700000000"}, False),
                ("query", {"query": 'label_replace(vector(1), "a", "b", "", "(")', "time": "1700000000"}, False),
                ("query_range", {"query": 'up{a="\u00e9"} + 1', "start": "1700000000", "end": "1700000100", "step": "15.5"}, False)]
    lines = []
    for _, port, path in servers:
        for resource, params, post in requests:
            text = urllib.parse.urlencode(params)
            url = f"http://127.0.0.1:{port}/api/v1/{resource}"
            if post:
                fetch(url, text.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
            else:
                fetch(f"{url}?{text}")
        lines.append([shape_of(line) for line in path.read_text().splitlines()])
    check(len(lines[0]) == 4, f"{len(lines[0])} lines")
    for mine, wanted in zip(*lines):
        check(mine == wanted, f"{json.dumps(mine)}\nbeside {json.dumps(wanted)}")

    server, port, path = servers[0]
    path.rename(world.folder / "old.log")
    check(fetch(f"http://127.0.0.1:{port}/-/reload", b"")[0] == 200, "no reload")
    Api(port).get("query", query="2")
    check([json.loads(line)["params"]["query"] for line in path.read_text().splitlines()] == ["2"], path.read_text())
    page = fetch(f"http://127.0.0.1:{port}/metrics")[1]
    check("\nprometheus_engine_query_log_enabled 1\n" in page, "not shown as enabled")
    check("\nprometheus_engine_query_log_failures_total 0\n" in page, "failures")
    world.write("ours.yml", NO_TARGETS)
    check(fetch(f"http://127.0.0.1:{port}/-/reload", b"")[0] == 200, "no reload")
    Api(port).get("query", query="3")
    check(len(path.read_text().splitlines()) == 1, "goes on without being asked to")
    check("\nprometheus_engine_query_log_enabled 0\n" in fetch(f"http://127.0.0.1:{port}/metrics")[1], "still enabled")
    world.write("ours.yml", logged % "absent/ours.log")
    status, body = fetch(f"http://127.0.0.1:{port}/-/reload", b"")
    check(status == 500 and "absent" in body, f"{status} {body}")
    check(server.alive(), "the server is gone")


def metrics_guide_answers(world):
    """Every query of docs/metrics-guide.md finds something in the data of a demo."""
    guide = (ROOT / "docs/metrics-guide.md").read_text()
    queries = re.findall(r"```promql\n(.*?)```", guide, re.DOTALL)
    check(len(queries) >= 20, f"only {len(queries)} queries")
    for row in re.findall(r"^\| [^|]* \| `([^`]+ == 0|[^`]+ > [0-9.]+)` \|$", guide, re.MULTILINE):
        queries.append(re.sub(r" (== 0|> [0-9.]+)$", "", row).replace("[5m]", "[30s]"))
    flags = ["api.port", "otlp.grpc.port", "otlp.http.port", "exporter.port", "telemetry.port", "health.port",
             "server.port"]
    ports = dict(zip(flags, free_ports(len(flags))))
    demo = world.run("demo", NARTHEX, "demo", f"--data-dir={world.folder / 'data'}", f"--config-dir={ROOT / 'config'}",
                     "--rate=60", *[f"--{flag}={port}" for flag, port in ports.items()])
    wait_ready(f"http://127.0.0.1:{ports['server.port']}/-/ready", demo)
    api = Api(ports["server.port"])
    missing = list(queries)

    def all_answered():
        missing[:] = [query for query in missing if not api.get("query", query=query)["result"]]
        return not missing

    try:
        eventually(all_answered, "every query has an answer", 90)
    except Failure as error:
        raise Failure(f"no answer to {missing}") from error


class Client:
    """Queries over one connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(self, path, params):
        self.connection.request("POST", f"/api/v1/{path}", urllib.parse.urlencode(params),
                                {"Content-Type": "application/x-www-form-urlencoded"})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


def compare(ours, theirs, generator, queries):
    """Asks both servers the same; fails where answers differ, or where there is little to compare."""
    clients = Client(ours), Client(theirs)
    failures, succeeded, full = [], 0, 0
    for i in range(queries):
        path, params = ("query", generator.instant()) if i % 2 == 0 else ("query_range", generator.range())
        a, b = (client.ask(path, params) for client in clients)
        succeeded += a[0] == 200
        full += a[0] == 200 and bool(a[1]["data"]["result"])
        if wrong := difference(params["query"], a, b):
            failures.append(f"{path} {params}: {wrong}")
    for failure in failures[:20]:
        print(failure)
    check(not failures, f"{len(failures)} of {queries} answers differ")
    check(succeeded > queries / 2 and full > queries / 3, f"only {succeeded} answers, {full} of them not empty")


def seed_and_queries(queries):
    seed = int(os.environ.get("NARTHEX_SEED", "1"))
    queries = int(os.environ.get("NARTHEX_QUERIES", queries))
    print(f"NARTHEX_SEED={seed} NARTHEX_QUERIES={queries}")
    return seed, queries


def answers_are_those_of_prometheus(world):
    """Seeded queries, instant and over ranges, give the same values, labels, order and kind of error."""
    seed, queries = seed_and_queries(4000)
    ours, theirs = free_ports(2)
    config = world.write("p.yml", NO_TARGETS)
    world.narthex_server(ours, config, "data", "--web.enable-remote-write-receiver")
    world.prometheus(theirs, config, "prometheus", "--web.enable-remote-write-receiver")
    samples = series(random.Random(seed))
    for port in (ours, theirs):
        remote_write.write(port, samples)
    compare(ours, theirs, Generator(random.Random(seed + 1)), queries)


def histogram_answers_are_those_of_prometheus(world):
    """The same over native histograms."""
    seed, queries = seed_and_queries(1500)
    ours, theirs = free_ports(2)
    config = world.write("p.yml", NO_TARGETS)
    world.narthex_server(ours, config, "data", "--web.enable-remote-write-receiver")
    world.prometheus(theirs, config, "prometheus", "--web.enable-remote-write-receiver",
                     "--enable-feature=native-histograms")
    for port in (ours, theirs):
        write_histograms(port, BEGIN_MS // 1000 + 3600, gauges=False, minutes=60)
    compare(ours, theirs, HistogramGenerator(random.Random(seed + 1)), queries)


if __name__ == "__main__":
    main({f.__name__: f for f in (scripts_are_run, directories_are_asked, queries_end_with_their_clients,
                                queries_of_the_last_run_are_told,
                                queries_are_logged_as_prometheus_does, queries_wait_for_their_turn, metrics_guide_answers,
                                answers_are_those_of_prometheus, histogram_answers_are_those_of_prometheus)})
