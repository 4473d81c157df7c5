#!/usr/bin/env python3
"""OpenTelemetry's JavaScript SDK → our collector → Prometheus's own text and server.

Usage: collector_test.py NARTHEX [--work-dir DIR]

Starts the collector on free ports, exports every instrument kind over every transport, with and
without compression, cumulative and delta, and compares the page on the Prometheus exporter line by
line. Debian's `prometheus` and our server scrape the same exporter, as protobuf, and must both answer
with the same series, exponential histograms as native ones included. Needs node and npm.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
PATIENCE_S = 30

CONFIG = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
processors:
  batch: {{timeout: 50ms}}
exporters:
  prometheus: {{endpoint: "127.0.0.1:{page}"}}
service:
  telemetry:
    metrics: {{address: "127.0.0.1:{own}"}}
  pipelines:
    metrics: {{receivers: [otlp], processors: [batch], exporters: [prometheus]}}
"""

PROMETHEUS = os.path.join(os.environ.get("NARTHEX_PEERS", "/usr/bin"), "prometheus")

PROMETHEUS_CONFIG = """
global: {{scrape_interval: 1s{more}}}
scrape_configs:
  - job_name: collector
    honor_labels: true
    static_configs: [{{targets: ["127.0.0.1:{page}"]}}]
"""


def expected_lines(service):
    """The samples that one client must lead to, without the order."""
    target = f'instance="i-1",job="{service}"'
    scope = ('otel_scope_name="interop",otel_scope_schema_url="",'
             'otel_scope_version="1.0.0"')

    def labels(before="", between="", after=""):
        parts = [before, target, between, scope, after]
        return "{" + ",".join(part for part in parts if part) + "}"

    get_labels = labels('cached="true"', 'method="GET"', 'status="200"')
    post_labels = labels("", 'method="POST"', 'status="500"')
    room_labels = labels(after='room="kitchen \\"A\\"\\\\B"')
    lines = [
        f"http_requests_total{get_labels} 7",
        f"http_requests_total{post_labels} 1",
        f"http_requests_in_flight{labels()} 3",
        f"room_temperature_celsius{room_labels} 21.5",
        "network_io_bytes_total" + labels('direction="receive"') + " 1.234567e+06",
        "payload_size_bytes_bucket" + labels(after='le="+Inf"') + " 4",
        f"payload_size_bytes_sum{labels()} 71003",
        f"payload_size_bytes_count{labels()} 4",
        "queue_length" + labels(after='queue="mail"') + " 4",
        f"system_load_ratio{labels()} 1.75",
        f"http_request_duration_seconds_sum{labels()} 3.0625",
        f"http_request_duration_seconds_count{labels()} 4",
    ]
    for bound, count in (("0.1", 1), ("0.5", 2), ("1", 3), ("+Inf", 4)):
        lines.append("http_request_duration_seconds_bucket"
                     + labels(after=f'le="{bound}"') + f" {count}")
    return lines


EXPECTED_COMMENTS = [
    "# HELP http_requests_total Requests served.",
    "# TYPE http_requests_total counter",
    "# HELP http_requests_in_flight ",
    "# TYPE http_requests_in_flight gauge",
    "# TYPE room_temperature_celsius gauge",
    "# TYPE http_request_duration_seconds histogram",
    "# TYPE network_io_bytes_total counter",
    "# TYPE payload_size_bytes histogram",
    "# TYPE queue_length gauge",
    "# TYPE system_load_ratio gauge",
    "# TYPE target_info gauge",
]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def get(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def wait_for(what, condition):
    """The first true value of `condition`, which may raise while things start."""
    deadline = time.monotonic() + PATIENCE_S
    error = None
    while time.monotonic() < deadline:
        try:
            value = condition()
            if value:
                return value
            error = None
        except (OSError, ValueError) as e:
            error = e
        time.sleep(0.05)
    raise SystemExit(f"waited {PATIENCE_S} s for {what} ({error})")


class Processes:
    """What this test has started, and only that, ends with it."""

    def __init__(self):
        self.running = []

    def start(self, args, log):
        process = subprocess.Popen(args, stdout=log, stderr=subprocess.STDOUT)
        self.running.append(process)
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=PATIENCE_S)
        self.running.remove(process)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.kill()
            process.wait()


def prepare_client(work_dir):
    """A folder with the client and its packages; installed once, then kept."""
    client = os.path.join(work_dir, "js")
    os.makedirs(client, exist_ok=True)
    changed = False
    for name in ("package.json", "package-lock.json", "export.mjs"):
        source, target = os.path.join(HERE, "js", name), os.path.join(client, name)
        if not os.path.exists(target) or open(source).read() != open(target).read():
            shutil.copy(source, target)
            changed = changed or name != "export.mjs"
    if changed or not os.path.isdir(os.path.join(client, "node_modules")):
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts",
                        "--loglevel=error"], cwd=client, check=True)
    return client


def check_page(page, services):
    """The findings, none when the page is what it should be."""
    lines = page.splitlines()
    findings = []
    for line in EXPECTED_COMMENTS:
        if line not in lines:
            findings.append(f"missing: {line}")
    for service in services:
        want = set(expected_lines(service))
        got = {line for line in lines
               if f'job="{service}"' in line and not line.startswith("target_info")}
        findings += [f"missing: {line}" for line in sorted(want - got)]
        findings += [f"unexpected: {line}" for line in sorted(got - want)]
        targets = [line for line in lines
                   if line.startswith("target_info") and f'job="{service}"' in line]
        if len(targets) != 1 or 'host_name="test-host"' not in targets[0]:
            findings.append(f"target_info of {service}: {targets}")
    return findings


def page_series(page):
    """{series text: value} of a page, names and labels as Prometheus's API has them."""
    series = {}
    for line in page.splitlines():
        if line and not line.startswith("#"):
            text, value = line.rsplit(" ", 1)
            series[text] = float(value)
    return series


def api_series(port):
    """The same from a Prometheus server, without what the scrape adds."""
    query = urllib.parse.urlencode({"query": '{otel_scope_name="interop"}'})
    answer = json.loads(get(f"http://127.0.0.1:{port}/api/v1/query?{query}"))
    series = {}
    for item in answer["data"]["result"]:
        metric = dict(item["metric"])
        name = metric.pop("__name__")
        bound = metric.pop("le", None)
        # Empty labels do not exist in Prometheus; the page shows one.
        metric["otel_scope_schema_url"] = ""
        labels = sorted(metric.items())
        if bound is not None:
            # Since 3.0 servers spell it "1.0".
            labels.append(("le", bound.removesuffix(".0")))
        text = ",".join('%s="%s"' % (key, value.replace("\\", "\\\\").replace('"', '\\"'))
                        for key, value in labels)
        if "histogram" in item:
            series[f"{name}{{{text}}}"] = json.dumps(item["histogram"][1], sort_keys=True)
        else:
            series[f"{name}{{{text}}}"] = float(item["value"][1])
    return series


def check_histograms(series, services):
    """The findings about native histograms; takes them out."""
    findings = []
    natives = {text: value for text, value in series.items() if isinstance(value, str)}
    for text in natives:
        del series[text]
    for service in services:
        of_service = [json.loads(value) for text, value in natives.items() if f'job="{service}"' in text]
        # 0, 3, 1000 and 70000: the zero bucket and one for each of the others.
        counts = [[float(bucket[3]) for bucket in histogram["buckets"]] for histogram in of_service]
        bounds = [[float(bucket[1]) < value <= float(bucket[2])
                   for bucket, value in zip(histogram["buckets"][1:], (3, 1000, 70000))]
                  for histogram in of_service]
        if (counts != [[1, 1, 1, 1]] or bounds != [[True] * 3]
                or (of_service[0]["count"], of_service[0]["sum"]) != ("4", "71003")):
            findings.append(f"native histogram of {service}: {of_service}")
    # Versions of Prometheus differ in the last digit of a bound.
    rounded = {text: [[f"{float(x):.12g}" for x in bucket] for bucket in json.loads(value)["buckets"]]
               for text, value in natives.items()}
    return rounded, findings


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("narthex")
    parser.add_argument("--work-dir", default=None, help="where the client's packages are kept")
    arguments = parser.parse_args()
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("node and npm are missing: run scripts/install-deps.sh test")
        return 1

    with tempfile.TemporaryDirectory() as temp, Processes() as processes:
        client = prepare_client(arguments.work_dir or temp)
        grpc, http, page_port, own, prometheus_port, server_port = free_ports(6)
        config = os.path.join(temp, "collector.yaml")
        with open(config, "w") as file:
            file.write(CONFIG.format(grpc=grpc, http=http, page=page_port, own=own))
        log = open(os.path.join(temp, "log"), "w+")
        collector = processes.start([arguments.narthex, "collector", "--config", config], log)
        page_url = f"http://127.0.0.1:{page_port}/metrics"
        wait_for("the collector", lambda: get(page_url) == "" or True)

        services = []
        for protocol, url in (("http/json", f"http://127.0.0.1:{http}/v1/metrics"),
                              ("http/protobuf", f"http://127.0.0.1:{http}/v1/metrics"),
                              ("grpc", f"http://127.0.0.1:{grpc}")):
            for compression in ("none", "gzip"):
                for temporality in ("cumulative", "delta"):
                    service = "-".join([protocol.replace("/", "-"), compression, temporality])
                    services.append(service)
                    subprocess.run(["node", "export.mjs", protocol, compression, temporality,
                                    service, url], cwd=client, check=True, timeout=60)

        def complete_page():
            text = get(page_url)
            is_complete = all(not check_page(text, [service]) for service in services)
            return text if is_complete else None

        # The batch processor needs its moment; then the findings say what is wrong.
        deadline = time.monotonic() + 3
        while (page := complete_page()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        page = page or get(page_url)
        findings = check_page(page, services)
        print(f"{len(services)} clients, {len(page_series(page))} series on the page")

        want = {text: value for text, value in page_series(page).items()
                if "target_info" not in text and not text.startswith("payload_size")}
        natives = []
        for name, program, more, port in (
                ("Prometheus", [PROMETHEUS, "--enable-feature=native-histograms"], "", prometheus_port),
                ("our server", [arguments.narthex, "server"], ", scrape_native_histograms: true",
                 server_port)):
            server_config = os.path.join(temp, f"server-{port}.yml")
            with open(server_config, "w") as file:
                file.write(PROMETHEUS_CONFIG.format(page=page_port, more=more))
            processes.start(program + [f"--config.file={server_config}",
                                       f"--storage.tsdb.path={temp}/data-{port}",
                                       f"--web.listen-address=127.0.0.1:{port}",
                                       "--log.level=warn"], log)
            got = wait_for(f"{name} to have scraped", lambda port=port: api_series(port))
            of_server, wrong = check_histograms(got, services)
            natives.append(of_server)
            findings += [f"{name}: {finding}" for finding in wrong]
            if got != want:
                findings.append(f"{name} differs: {set(got.items()) ^ set(want.items())}")
            print(f"{len(got)} series and {len(of_server)} native histograms in {name}")
        if natives[0] != natives[1]:
            findings.append(f"native histograms differ: {natives}")

        code = processes.stop(collector)
        if code != 0:
            findings.append(f"the collector ended with {code}")
        for finding in findings:
            print(finding)
        if findings:
            log.seek(0)
            print(log.read())
        return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
