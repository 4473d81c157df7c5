#!/usr/bin/env python3
"""The whole pipeline: traffic, API, OTLP, collector, scrape, storage, PromQL over HTTP."""

import json
import re
import signal
import subprocess
import time

from harness import Api, Failure, NARTHEX, Program, ROOT, check, eventually, fetch, free_ports, main, wait_ready

PORT_FLAGS = ["api.port", "otlp.grpc.port", "otlp.http.port", "exporter.port", "telemetry.port", "health.port",
              "server.port"]

# The seed's latencies, in seconds, with room for a busy machine above.
LATENCIES = {"/health": (0, 0.1), "/api/users": (0.025, 0.5), "/api/orders": (0.05, 0.75), "/api/slow": (2.5, 7.5)}


class Demo:
    """`narthex demo` on free ports."""

    def __init__(self, world, *flags):
        self.ports = dict(zip(PORT_FLAGS, free_ports(len(PORT_FLAGS))))
        self.program = world.run("demo", NARTHEX, "demo", f"--data-dir={world.folder / 'data'}",
                                 f"--config-dir={ROOT / 'config'}",
                                 *[f"--{flag}={port}" for flag, port in self.ports.items()], *flags)
        self.api = Api(self.ports["server.port"])
        wait_ready(f"http://127.0.0.1:{self.ports['server.port']}/-/ready", self.program)

    def children(self):
        """Command word to pid."""
        pids = subprocess.run(["pgrep", "-P", str(self.program.process.pid)], capture_output=True,
                              text=True).stdout.split()
        result = {}
        for pid in pids:
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
            if len(words) > 1:
                result[words[1]] = int(pid)
        return result


def by_request(api, query):
    """(endpoint, status) to value."""
    return {(dict(labels)["endpoint"], dict(labels)["status"]): value for labels, value in api.vector(query).items()}


def every_hop_adds_up(world):
    """An unattended run: the report adds up, and its numbers are PromQL's."""
    report_file = world.folder / "report.json"
    demo = Demo(world, "--duration=12s", "--rate=40", f"--json={report_file}")
    code = demo.program.process.wait(90)
    check(code == 0, f"exit code {code}\n{demo.program.text()}")
    report = json.loads(report_file.read_text())
    check(report["adds_up"] is True, json.dumps(report)[:3000])
    check(len(report["queries"]) >= 3, "three example queries")
    check(all(query["answer"] for query in report["queries"]), f"a query without an answer: {report['queries']}")


def promql_returns_what_the_load_saw(world):
    """The stages by hand: counts, latencies and gauges as the load generator knows them."""
    api_port, grpc, http, exporter, telemetry, health, server_port = free_ports(7)
    collector_config = world.write("collector.yaml", f"""
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: 127.0.0.1:{grpc}}}
      http: {{endpoint: 127.0.0.1:{http}}}
processors:
  batch: {{timeout: 100ms}}
exporters:
  prometheus: {{endpoint: 127.0.0.1:{exporter}}}
extensions:
  health_check: {{endpoint: 127.0.0.1:{health}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {telemetry}}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp], processors: [batch], exporters: [prometheus]}}
""")
    config = world.write("prometheus.yml", f"""
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs:
  - job_name: collector
    honor_labels: true
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
""")
    collector = world.run("collector", NARTHEX, "collector", "--config", collector_config)
    wait_ready(f"http://127.0.0.1:{health}/", collector)
    shop = world.run("api", NARTHEX, "api", f"--listen-address=127.0.0.1:{api_port}", "--seed=7",
                     f"--otlp.endpoint=http://127.0.0.1:{http}", env={"OTEL_METRIC_EXPORT_INTERVAL": "250"})
    wait_ready(f"http://127.0.0.1:{api_port}/health", shop)
    server = world.narthex_server(server_port, config)
    api = Api(server_port)

    load = subprocess.run([NARTHEX, "load", f"--target=http://127.0.0.1:{api_port}", "--rate=60", "--duration=10s",
                           "--quiet", "--json=-"], capture_output=True, text=True, timeout=60)
    check(load.returncode == 0, f"load: {load.returncode} {load.stderr}")
    seen = {}
    for row in json.loads(load.stdout)["requests"]:
        key = (row["endpoint"], str(row["status"]))
        seen[key] = seen.get(key, 0) + row["count"]
    seen[("/health", "200")] += 1  # Our own question whether the API is up.
    check(sum(seen.values()) > 400, f"only {sum(seen.values())} requests")

    query = "sum by (endpoint, status) (http_requests_total)"
    eventually(lambda: by_request(api, query) == seen, f"PromQL returns {seen}", 20)
    check(api.value("sum(http_requests_in_flight)") == 0, "requests in flight after the end")

    for endpoint, (low, high) in LATENCIES.items():
        for quantile in (0.5, 0.95):
            got = api.value(f'histogram_quantile({quantile}, sum by (le) '
                            f'(http_request_duration_seconds_bucket{{endpoint="{endpoint}"}}))')
            check(low <= got <= high, f"p{quantile * 100:.0f} of {endpoint} is {got} s")
        count = api.value(f'sum(http_request_duration_seconds_count{{endpoint="{endpoint}"}})')
        check(count == sum(n for (e, _), n in seen.items() if e == endpoint), f"count of {endpoint}: {count}")
    users = {status: n for (endpoint, status), n in seen.items() if endpoint == "/api/users"}
    check(users["200"] / sum(users.values()) > 0.85, f"users: {users}")
    check(api.value("sum(orders_value_total)") > 0, "orders_value_total")
    check(set(dict(labels)["result"] for labels in api.vector("cache_hits_total")) == {"hit", "miss"}, "cache_hits_total")
    orders = {dict(labels)["status"]: v for labels, v in api.vector("sum by (status) (orders_total)").items()}
    check(sum(orders.values()) > 0, f"orders: {orders}")
    types = json.loads(fetch(f"http://127.0.0.1:{server_port}/api/v1/metadata")[1])["data"]
    wanted = {"http_requests_total": "counter", "http_request_duration_seconds": "histogram",
              "http_requests_in_flight": "gauge", "orders_total": "counter", "orders_value_total": "counter",
              "cache_hits_total": "counter"}
    for name, kind in wanted.items():
        check(types[name][0]["type"] == kind, f"{name} is {types.get(name)}")

    # kill -9: what was visible is there again, and counting goes on where it was.
    now = time.time()
    before = api.all_samples(now - 120, now)
    server.kill()
    server.start()
    wait_ready(f"http://127.0.0.1:{server_port}/-/ready", server)
    after = api.all_samples(now - 120, now)
    for series, samples in before.items():
        missing = set(samples) - set(after.get(series, []))
        check(not missing, f"{series} lost {sorted(missing)[:3]} by kill -9")
    eventually(lambda: by_request(api, query) == seen, "the same counts after the restart", 10)

    # An orderly end, from the front to the back.
    for program in (shop, collector, server):
        check(program.stop() == 0, f"{program.name}: exit code {program.process.returncode}\n{program.text()}")


def a_dead_child_is_replaced(world):
    """The others go on, the server comes back, Ctrl-C still ends all of it with 0."""
    demo = Demo(world, "--rate=20")
    eventually(lambda: demo.api.value("sum(http_requests_total)"), "requests in the server")
    before = demo.children()
    check(set(before) == {"api", "collector", "server", "load"}, f"children: {before}")
    subprocess.run(["kill", "-9", str(before["collector"])], check=True)
    eventually(lambda: demo.children().get("collector", before["collector"]) != before["collector"],
               "another collector", 20)
    after = demo.children()
    check(all(after[name] == before[name] for name in ("api", "server")), f"{before} became {after}")
    since = time.time()
    eventually(lambda: (demo.api.value("max(timestamp(http_requests_total))") or 0) > since,
               "new samples through the new collector", 30)
    check(demo.program.stop(signal.SIGINT, 40) == 0, f"exit code\n{demo.program.text()}")
    check(not demo.children(), "children left behind")


def idle_takes_little(world):
    """Without load: memory of all processes together. (CPU is measured, not tested.)"""
    demo = Demo(world, "--no-load", "--quiet")
    eventually(lambda: demo.api.value("count(up == 1)"), "a scrape")
    time.sleep(3)
    total = demo.program.rss_bytes()
    for pid in demo.children().values():
        status = open(f"/proc/{pid}/status").read()
        total += int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024
    print(f"idle: {total / 2**20:.1f} MiB for {1 + len(demo.children())} processes")
    check(total < 120 * 2**20, f"{total / 2**20:.1f} MiB")
    check(demo.program.stop(signal.SIGINT, 40) == 0, f"exit code\n{demo.program.text()}")


def a_port_in_use_is_said(world):
    (port,) = free_ports(1)
    config = world.write("p.yml", "scrape_configs: []\n")
    world.narthex_server(port, config)
    done = subprocess.run([NARTHEX, "demo", f"--server.port={port}", f"--data-dir={world.folder / 'demo'}",
                           f"--config-dir={ROOT / 'config'}",
                           *[f"--{flag}={p}" for flag, p in zip(PORT_FLAGS[:-1], free_ports(6))]],
                          capture_output=True, text=True, timeout=60)
    check(done.returncode not in (0, None), f"exit code {done.returncode}")
    check(str(port) in done.stderr and "in use" in done.stderr, f"stderr: {done.stderr}")


if __name__ == "__main__":
    main({f.__name__: f for f in [every_hop_adds_up, promql_returns_what_the_load_saw, a_dead_child_is_replaced,
                                  idle_takes_little, a_port_in_use_is_said]})
