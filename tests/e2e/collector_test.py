#!/usr/bin/env python3
"""Collectors behind one another, over both protocols, with the second one away for a while."""

import base64
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

from harness import NARTHEX, Api, check, eventually, fetch, free_ports, main, wait_ready

EXPORTERS = {
    "otlp_http": "{{endpoint: \"http://127.0.0.1:{http}\", {retry}}}",
    "otlp_grpc": "{{endpoint: \"127.0.0.1:{grpc}\", tls: {{insecure: true}}, {retry}}}",
}
RETRY = "retry_on_failure: {initial_interval: 100ms, max_interval: 500ms}"


def receiver(grpc, http):
    return (f"receivers: {{otlp: {{protocols: {{grpc: {{endpoint: \"127.0.0.1:{grpc}\"}}, "
            f"http: {{endpoint: \"127.0.0.1:{http}\"}}}}}}}}\n")


def service(health, exporter):
    return (f"extensions: {{health_check: {{endpoint: \"127.0.0.1:{health}\"}}}}\n"
            f"service:\n  extensions: [health_check]\n  telemetry: {{metrics: {{level: none}}}}\n"
            f"  pipelines: {{metrics: {{receivers: [otlp], exporters: [{exporter}]}}}}\n")


def export(port, name, value):
    point = {"asInt": str(value), "timeUnixNano": "1700000000000000000"}
    body = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": name, "gauge": {"dataPoints": [point]}}]}]}]}
    status, text = fetch(f"http://127.0.0.1:{port}/v1/metrics", json.dumps(body).encode(),
                         {"Content-Type": "application/json"})
    check(status == 200, f"export: {status} {text}")


def chain(world, kind):
    a_grpc, a_http, a_health, b_grpc, b_http, b_health, page = free_ports(7)
    exporter = EXPORTERS[kind].format(grpc=b_grpc, http=b_http, retry=RETRY)
    a_config = world.write("a.yaml", receiver(a_grpc, a_http) + f"exporters: {{{kind}: {exporter}}}\n" +
                           service(a_health, kind))
    b_config = world.write("b.yaml", receiver(b_grpc, b_http) +
                           f"exporters: {{prometheus: {{endpoint: \"127.0.0.1:{page}\"}}}}\n" +
                           service(b_health, "prometheus"))
    a = world.run("a", NARTHEX, "collector", "--config", a_config)
    wait_ready(f"http://127.0.0.1:{a_health}/", a)
    # B is not there yet: what comes now has to wait in A.
    for i in range(20):
        export(a_http, f"early_{i}", i)
    b = world.run("b", NARTHEX, "collector", "--config", b_config)
    wait_ready(f"http://127.0.0.1:{b_health}/", b)
    export(a_http, "late", 7)

    def arrived():
        text = fetch(f"http://127.0.0.1:{page}/metrics")[1]
        wanted = [f"early_{i}" for i in range(20)] + ["late"]
        return all(f"\n{name}{{" in text for name in wanted)

    eventually(arrived, "everything that was exported is on the page of B")
    check(a.stop() == 0, "A stops politely")


def over_http(world):
    """A (otlp_http) → B (prometheus); B comes later."""
    chain(world, "otlp_http")


def over_grpc(world):
    """The same over gRPC."""
    chain(world, "otlp_grpc")


def openssl(world, *arguments):
    subprocess.run(["openssl", *arguments], cwd=world.folder, check=True, capture_output=True)


def certificates(world):
    """An authority, and certificates by it for a server and a client."""
    openssl(world, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=Test authority", "-keyout", "ca.key", "-out", "ca.pem")
    world.write("names.txt", "subjectAltName=IP:127.0.0.1,DNS:collector.test\n")
    for name in ("server", "client"):
        openssl(world, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(world, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "names.txt", "-out", f"{name}.pem")


def secured(world):
    """A → B over TLS with certificates on both sides and a password, to a page behind TLS and the password; what
    comes without them is refused."""
    a_grpc, a_http, a_health, b_grpc, b_http, b_health, page = free_ports(7)
    certificates(world)
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "sesame"], capture_output=True, text=True,
                            check=True).stdout.strip().replace("$", "$$")
    at = world.folder
    client = f"ca_file: {at}/ca.pem, cert_file: {at}/client.pem, key_file: {at}/client.key"
    a_config = world.write("a.yaml", receiver(a_grpc, a_http) + f"""
extensions:
  health_check: {{endpoint: "127.0.0.1:{a_health}"}}
  basicauth: {{client_auth: {{username: ann, password: sesame}}}}
exporters:
  otlp_grpc:
    endpoint: 127.0.0.1:{b_grpc}
    tls: {{{client}, server_name_override: collector.test}}
    auth: {{authenticator: basicauth}}
    {RETRY}
  otlp_http:
    endpoint: https://127.0.0.1:{b_http}
    tls: {{{client}}}
    auth: {{authenticator: basicauth}}
    {RETRY}
service:
  extensions: [health_check, basicauth]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{metrics: {{receivers: [otlp], exporters: [otlp_grpc, otlp_http]}}}}
""")
    own = f"cert_file: {at}/server.pem, key_file: {at}/server.key"
    server = f"tls: {{{own}, client_ca_file: {at}/ca.pem}}, auth: {{authenticator: basicauth}}"
    b_config = world.write("b.yaml", f"""
extensions:
  health_check: {{endpoint: "127.0.0.1:{b_health}"}}
  basicauth: {{htpasswd: {{inline: "ann:{hashed}"}}}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{b_grpc}", {server}}}
      http: {{endpoint: "127.0.0.1:{b_http}", {server}}}
exporters:
  prometheus:
    endpoint: 127.0.0.1:{page}
    tls: {{{own}}}
    auth: {{authenticator: basicauth}}
service:
  extensions: [health_check, basicauth]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{metrics: {{receivers: [otlp], exporters: [prometheus]}}}}
""")
    b = world.run("b", NARTHEX, "collector", "--config", b_config)
    wait_ready(f"http://127.0.0.1:{b_health}/", b)
    a = world.run("a", NARTHEX, "collector", "--config", a_config)
    wait_ready(f"http://127.0.0.1:{a_health}/", a)

    def ask(url, password=None, certificate=None, body=None):
        """A status, or None where there is no connection."""
        context = ssl.create_default_context(cafile=world.folder / "ca.pem")
        if certificate is not None:
            context.load_cert_chain(world.folder / f"{certificate}.pem", world.folder / f"{certificate}.key")
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
        if password is not None:
            request.add_header("Authorization", "Basic " + base64.b64encode(f"ann:{password}".encode()).decode())
        try:
            with urllib.request.urlopen(request, timeout=10, context=context) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except (urllib.error.URLError, OSError):
            return None, ""

    metrics_url = f"https://127.0.0.1:{page}/metrics"
    for i in range(5):
        export(a_http, f"secret_{i}", i)
    eventually(lambda: all(f"\nsecret_{i}{{" in ask(metrics_url, "sesame")[1] for i in range(5)),
               "everything is on the page of B")
    check(ask(metrics_url)[0] == 401, "the page is for those with a password")
    check(ask(metrics_url, "guess")[0] == 401, "the page is for those with the right password")
    push = f"https://127.0.0.1:{b_http}/v1/metrics"
    check(ask(push, "sesame", "client", b"{}")[0] == 200, "with everything")
    check(ask(push, None, "client", b"{}")[0] == 401, "without a password")
    check(ask(push, "sesame", None, b"{}")[0] is None, "without a certificate")
    check(a.stop() == 0 and b.stop() == 0, "both stop politely")


class Sink:
    """An HTTP server that keeps what is posted to it, by path."""

    def __init__(self, port=0):
        self.bodies = {}
        self.headers = {}  # Of the same requests.
        bodies, headers = self.bodies, self.headers

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers.setdefault(self.path, []).append(dict(self.headers))
                bodies.setdefault(self.path, []).append(body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def traces_and_logs(world):
    """Traces and logs go through two collectors, over gRPC and HTTP, and arrive byte for byte. There is no queue on the
    way, so that senders have the answer of whoever is last."""
    a_grpc, a_http, a_health, b_grpc, b_http, b_health = free_ports(6)
    sink = Sink()
    pipelines = "".join(f"    {signal}: {{{{receivers: [otlp], processors: [batch], exporters: [{{0}}]}}}}\n"
                        for signal in ("traces", "logs"))

    def config(name, grpc, http_port, health, kind, exporter):
        return world.write(name, receiver(grpc, http_port) + f"""
processors: {{batch: }}
exporters: {{{kind}: {exporter}}}
extensions: {{health_check: {{endpoint: "127.0.0.1:{health}"}}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
""" + pipelines.format(kind))

    a_config = config("a.yaml", a_grpc, a_http, a_health, "otlp_grpc", EXPORTERS["otlp_grpc"].format(
        grpc=b_grpc, retry="sending_queue: {enabled: false}"))
    b_config = config("b.yaml", b_grpc, b_http, b_health, "otlp_http",
                      f"{{endpoint: \"http://127.0.0.1:{sink.port}\", compression: none, "
                      "sending_queue: {enabled: false}}")
    a = world.run("a", NARTHEX, "collector", "--config", a_config)
    wait_ready(f"http://127.0.0.1:{a_health}/", a)
    spans = bytes([0x0a, 8, 0x12, 6, 0x12, 4]) + b"\x0a\x02ab"  # One span, with an id.
    headers = {"Content-Type": "application/x-protobuf"}
    for path in ("/v1/traces", "/v1/logs"):
        url = f"http://127.0.0.1:{a_http}{path}"
        check(fetch(url, spans, headers)[0] == 503, "while B is away, senders are told to come again")
    b = world.run("b", NARTHEX, "collector", "--config", b_config)
    wait_ready(f"http://127.0.0.1:{b_health}/", b)
    for path in ("/v1/traces", "/v1/logs"):
        status, text = fetch(f"http://127.0.0.1:{a_http}{path}", spans, headers)
        check(status == 200, f"{path}: {status} {text}")
        check(sink.bodies[path] == [spans], f"{path} arrived as {sink.bodies}")
    json_headers = {"Content-Type": "application/json"}
    check(fetch(f"http://127.0.0.1:{a_http}/v1/traces", b"{}", json_headers)[0] == 415, "JSON does not go over gRPC")
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "s"}]}]}]}).encode()
    status, text = fetch(f"http://127.0.0.1:{b_http}/v1/traces", body, json_headers)
    check(status == 200 and sink.bodies["/v1/traces"][-1] == body, f"JSON goes on as JSON: {status} {text}")
    wrong = world.write("wrong.yaml", a_config.read_text().replace("processors: {batch: }", "processors: {attributes: "
                        "{actions: [{key: a, action: delete}]}}").replace("[batch]", "[attributes]"))
    refused = subprocess.run([NARTHEX, "collector", "validate", "--config", wrong], capture_output=True, text=True)
    check(refused.returncode != 0 and 'processor "attributes" works on metrics only' in refused.stderr,
          f"validate: {refused.stderr}")
    check(a.stop() == 0 and b.stop() == 0, "both stop politely")


def spans_become_metrics(world):
    """Traces in protobuf and JSON are counted; a page for Prometheus shows it under the names
    that dashboards know."""
    grpc, http_port, page, health = free_ports(4)
    config = world.write("config.yaml", receiver(grpc, http_port) + f"""
connectors:
  span_metrics:
    metrics_flush_interval: 200ms
    dimensions: [{{name: http.response.status_code, default: "0"}}]
    exclude_dimensions: [collector.instance.id]
exporters: {{prometheus: {{endpoint: "127.0.0.1:{page}"}}}}
extensions: {{health_check: {{endpoint: "127.0.0.1:{health}"}}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics]}}
    metrics: {{receivers: [span_metrics], exporters: [prometheus]}}
""")
    collector = world.run("collector", NARTHEX, "collector", "--config", config)
    wait_ready(f"http://127.0.0.1:{health}/", collector)

    def text(field, key, value):
        return message(field, message(1, key.encode()) + message(2, message(1, value.encode())))

    def message(field, body):
        return bytes([field << 3 | 2, len(body)]) + body

    def fixed(field, value):
        return bytes([field << 3 | 1]) + value.to_bytes(8, "little")

    start = 1_700_000_000_000_000_000
    span = message(5, b"GET /") + b"\x30\x02" + fixed(7, start) + fixed(8, start + 3_000_000) + message(15, b"\x18\x02")
    protobuf = message(1, message(1, text(1, "service.name", "shop")) + message(2, message(2, span)))
    code = {"key": "http.response.status_code", "value": {"intValue": "200"}}
    spans = [{"name": "GET /", "kind": "SPAN_KIND_SERVER", "startTimeUnixNano": str(start), "attributes": [code],
              "endTimeUnixNano": str(start + ms * 1_000_000)} for ms in (1, 70)]
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    body = json.dumps({"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": spans}]}]}).encode()
    for kind, data in (("application/x-protobuf", protobuf), ("application/json", body)):
        status, answer = fetch(f"http://127.0.0.1:{http_port}/v1/traces", data, {"Content-Type": kind})
        check(status == 200, f"{kind}: {status} {answer}")
    check(fetch(f"http://127.0.0.1:{http_port}/v1/traces", protobuf[:-3], {"Content-Type": "application/x-protobuf"})[0] == 400,
          "damage is refused")

    def series(name, **labels):
        found = [line for line in fetch(f"http://127.0.0.1:{page}/metrics")[1].splitlines()
                 if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items())]
        check(len(found) <= 1, f"{name}: {found}")
        return float(found[0].split()[-1]) if found else None

    good = {"service_name": "shop", "span_name": "GET /", "span_kind": "SPAN_KIND_SERVER",
            "status_code": "STATUS_CODE_UNSET", "http_response_status_code": "200"}
    bad = good | {"status_code": "STATUS_CODE_ERROR", "http_response_status_code": "0"}
    eventually(lambda: series("traces_span_metrics_calls_total", **good) == 2, "two good calls")
    eventually(lambda: series("traces_span_metrics_calls_total", **bad) == 1, "one that failed")
    duration = "traces_span_metrics_duration_milliseconds"
    check(series(duration + "_sum", **good) == 71, "together they took 71 ms")
    check(series(duration + "_bucket", le="2", **good) == 1, "one took up to 2 ms")
    check(series(duration + "_bucket", le="100", **good) == 2, "and both up to 100")
    check(series(duration + "_bucket", le="4", **bad) == 1, "the one that failed took 3 ms")
    check(collector.stop() == 0, "it stops politely")


def receivers_and_pages(world):
    """hostmetrics, statsd and prometheus receive; zpages shows what went through, and pprof a profile."""
    statsd, page, health, zpages, pprof, target = free_ports(6)
    own = free_ports(1)[0]
    config = world.write("config.yaml", f"""
extensions:
  health_check: {{endpoint: "127.0.0.1:{health}"}}
  zpages: {{endpoint: "127.0.0.1:{zpages}"}}
  pprof: {{endpoint: "127.0.0.1:{pprof}"}}
receivers:
  hostmetrics:
    collection_interval: 1s
    initial_delay: 0s
    scrapers: {{cpu: , disk: , filesystem: {{include_virtual_filesystems: true}}, load: , memory: , network: , paging: , processes: , system: }}
  statsd:
    endpoint: 127.0.0.1:{statsd}
    aggregation_interval: 500ms
    is_monotonic_counter: true
    timer_histogram_mapping: [{{statsd_type: timing, observer_type: histogram, histogram: {{explicit_buckets: [{{matcher_pattern: ".*", buckets: [10, 100]}}]}}}}]
  prometheus:
    config:
      scrape_configs:
        - job_name: itself
          scrape_interval: 500ms
          scrape_timeout: 500ms
          static_configs: [{{targets: ["127.0.0.1:{own}"]}}]
exporters:
  prometheus: {{endpoint: "127.0.0.1:{page}"}}
service:
  extensions: [health_check, zpages, pprof]
  telemetry: {{metrics: {{address: "127.0.0.1:{own}"}}}}
  pipelines: {{metrics: {{receivers: [hostmetrics, statsd, prometheus], exporters: [prometheus]}}}}
""")
    collector = world.run("collector", NARTHEX, "collector", "--config", config)
    wait_ready(f"http://127.0.0.1:{health}/", collector)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for line in (b"orders:2|c|#shop:a", b"wait:7|ms\nwait:70|ms\nwait:700|ms"):
            s.sendto(line, ("127.0.0.1", statsd))
    wanted = ("system_cpu_time_seconds_total", "system_memory_usage_bytes", "system_network_io_bytes_total",
              "system_filesystem_usage_bytes", "system_processes_count", "system_uptime_seconds", "orders_total{",
              "wait_milliseconds_bucket", 'up{instance="127.0.0.1:', "otelcol_process_uptime")

    def arrived():
        text = fetch(f"http://127.0.0.1:{page}/metrics")[1]
        missing = [name for name in wanted if f"\n{name}" not in text]
        return not missing or check(False, f"missing: {missing}")

    def all_there():
        try:
            return arrived()
        except AssertionError:
            return False

    try:
        eventually(all_there, "metrics of all receivers are on the page", 20)
    except AssertionError:
        arrived()
    text = fetch(f"http://127.0.0.1:{zpages}/debug/pipelinez")[1]
    for name in ("hostmetrics", "statsd", "prometheus"):
        check(f"<td>{name}</td>" in text, f"{name} is on the page of pipelines")
    check("<td>receiver</td><td>hostmetrics</td><td class=\"n\">0</td>" not in text, "points have gone through")
    with urllib.request.urlopen(f"http://127.0.0.1:{pprof}/debug/pprof/profile?seconds=1", timeout=30) as response:
        check(response.read()[:2] == b"\x1f\x8b", "a compressed profile")
    check(collector.stop() == 0, "it stops politely")


def killed(world, processors=None):
    """A with a queue on disk is killed during an outage of B; nothing that was acknowledged is lost."""
    a_grpc, a_http, a_health, b_grpc, b_http, b_health, page = free_ports(7)
    exporter = EXPORTERS["otlp_http"].format(http=b_http, retry=RETRY + ", sending_queue: {storage: file_storage}")
    a_config = world.write("a.yaml", receiver(a_grpc, a_http) + f"exporters: {{otlp_http: {exporter}}}\n" +
                           service(a_health, "otlp_http").replace(
                               "extensions: {", f"extensions: {{file_storage: {{directory: {world.folder}/queue, create_directory: true}}, ", 1)
                           .replace("extensions: [", "extensions: [file_storage, ", 1)
                           .replace("receivers: [otlp]", f"receivers: [otlp], processors: [{', '.join(processors or {})}]") +
                           f"processors: {json.dumps(processors or {})}\n")
    b_config = world.write("b.yaml", receiver(b_grpc, b_http) +
                           f"exporters: {{prometheus: {{endpoint: \"127.0.0.1:{page}\"}}}}\n" +
                           service(b_health, "prometheus"))
    names = []
    for round_ in range(3):
        a = world.run(f"a{round_}", NARTHEX, "collector", "--config", a_config)
        wait_ready(f"http://127.0.0.1:{a_health}/", a)
        for i in range(50):
            names.append(f"round_{round_}_{i}")
            export(a_http, names[-1], i)
        a.kill()
    b = world.run("b", NARTHEX, "collector", "--config", b_config)
    wait_ready(f"http://127.0.0.1:{b_health}/", b)
    a = world.run("a_last", NARTHEX, "collector", "--config", a_config)
    wait_ready(f"http://127.0.0.1:{a_health}/", a)

    def arrived():
        text = fetch(f"http://127.0.0.1:{page}/metrics")[1]
        return all(f"\n{name}{{" in text for name in names)

    eventually(arrived, "everything that was acknowledged is on the page of B")
    check(a.stop() == 0, "A stops politely")


def killed_behind_a_batch(world):
    """The same with a batch in between, whose senders wait until the queue has their data."""
    killed(world, {"batch": {"timeout": "10ms", "wait_for_result": True}})


def killed_with_traces(world):
    """A keeps traces and logs of two tenants on disk while nobody takes them, and is killed. What was acknowledged
    arrives all the same, each request once at least and with its tenant's name."""
    http_port, health, sink_port = free_ports(3)
    config = world.write("a.yaml", f"""
receivers:
  otlp:
    protocols:
      http: {{endpoint: "127.0.0.1:{http_port}", include_metadata: true, compression_algorithms: ["", lz4, x-snappy-framed]}}
extensions:
  health_check: {{endpoint: "127.0.0.1:{health}"}}
  file_storage: {{directory: {world.folder}/queue, create_directory: true}}
  headers_setter: {{headers: [{{key: X-Scope-OrgID, from_context: x-tenant, default_value: nobody}}]}}
exporters:
  otlp_http:
    endpoint: "http://127.0.0.1:{sink_port}"
    compression: none
    auth: {{authenticator: headers_setter}}
    {RETRY}
    sending_queue: {{storage: file_storage}}
service:
  extensions: [health_check, file_storage, headers_setter]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_http]}}
    logs: {{receivers: [otlp], exporters: [otlp_http]}}
""")
    paths, sent = ("/v1/traces", "/v1/logs"), set()
    for round_ in range(2):
        a = world.run(f"a{round_}", NARTHEX, "collector", "--config", config)
        wait_ready(f"http://127.0.0.1:{health}/", a)
        for i in range(20):
            tenant, path = ("shop", "bank")[i % 2], paths[i // 2 % 2]
            item = f"{round_:02}{i:02}".encode()  # One span or record with an id.
            body = bytes([0x0a, 10, 0x12, 8, 0x12, 6, 0x0a, 4]) + item
            status, text = fetch(f"http://127.0.0.1:{http_port}{path}", body,
                                 {"Content-Type": "application/x-protobuf", "X-Tenant": tenant})
            check(status == 200, f"{path}: {status} {text}")
            sent.add((path, tenant, body))
        a.kill()
    sink = Sink(sink_port)
    a = world.run("a_last", NARTHEX, "collector", "--config", config)
    wait_ready(f"http://127.0.0.1:{health}/", a)

    def arrived():
        got = {(path, headers.get("X-Scope-OrgID", headers.get("x-scope-orgid")), body)
               for path in paths for headers, body in zip(list(sink.headers.get(path, [])), list(sink.bodies.get(path, [])))}
        return got == sent

    eventually(arrived, "everything that was acknowledged is there, under its tenant's name")
    check(a.stop() == 0, "A stops politely")


# NARTHEX_OUTAGE_SECONDS=300 makes the test of an outage a long one.
OUTAGE_SECONDS = float(os.environ.get("NARTHEX_OUTAGE_SECONDS", "6"))


def outage(world):
    """B is away while A goes on taking data into its queue on disk; half way A is killed and comes back. Then B returns,
    and every point that was acknowledged arrives."""
    a_grpc, a_http, a_health, b_grpc, b_http, b_health, page = free_ports(7)
    exporter = EXPORTERS["otlp_grpc"].format(
        grpc=b_grpc, retry=RETRY + ", sending_queue: {storage: file_storage, queue_size: 1000000}")
    a_config = world.write("a.yaml", receiver(a_grpc, a_http) + f"exporters: {{otlp_grpc: {exporter}}}\n" +
                           service(a_health, "otlp_grpc").replace(
                               "extensions: {", f"extensions: {{file_storage: {{directory: {world.folder}/queue, create_directory: true}}, ", 1)
                           .replace("extensions: [", "extensions: [file_storage, ", 1))
    b_config = world.write("b.yaml", receiver(b_grpc, b_http) +
                           f"exporters: {{prometheus: {{endpoint: \"127.0.0.1:{page}\"}}}}\n" +
                           service(b_health, "prometheus"))
    names, rss_max = [], 0
    for half in range(2):
        a = world.run(f"a{half}", NARTHEX, "collector", "--config", a_config)
        wait_ready(f"http://127.0.0.1:{a_health}/", a)
        end = time.monotonic() + OUTAGE_SECONDS / 2
        while time.monotonic() < end:
            names.append(f"point_{len(names)}")
            export(a_http, names[-1], len(names))
            rss_max = max(rss_max, a.rss_bytes())
            time.sleep(OUTAGE_SECONDS / 20000)  # So that a long outage is not a large one.
        if half == 0:
            a.kill()
    b = world.run("b", NARTHEX, "collector", "--config", b_config)
    wait_ready(f"http://127.0.0.1:{b_health}/", b)
    back = time.monotonic()

    def arrived():
        lines = {line.split("{")[0] for line in fetch(f"http://127.0.0.1:{page}/metrics")[1].splitlines()}
        return lines.issuperset(names)

    eventually(arrived, f"the {len(names)} acknowledged points are on the page of B")
    print(f"{len(names)} points in {OUTAGE_SECONDS:.0f} s, all there {time.monotonic() - back:.1f} s after B came back; "
          f"RSS of A at most {rss_max / 2**20:.1f} MiB")
    check(a.stop() == 0, "A stops politely")


def histogram_request(time_ns):
    """A delta counter, a histogram and an exponential histogram."""
    at = {"startTimeUnixNano": str(time_ns - 10**9), "timeUnixNano": str(time_ns)}
    return {"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}},
                                    {"key": "service.instance.id", "value": {"stringValue": "i1"}},
                                    {"key": "host.name", "value": {"stringValue": "h1"}}]},
        "scopeMetrics": [{"metrics": [
            {"name": "orders", "sum": {"aggregationTemporality": 1, "isMonotonic": True,
                                       "dataPoints": [{**at, "asInt": "5"}]}},
            {"name": "wait", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                {**at, "count": "7", "sum": 4.5, "bucketCounts": ["1", "2", "4"], "explicitBounds": [0.5, 1]}]}},
            {"name": "size", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
                {**at, "count": "6", "sum": 9, "scale": 2, "zeroCount": "1",
                 "positive": {"offset": 2, "bucketCounts": ["3", "2"]}}]}}]}]}]}


def to_server(world, start_server, keys=""):
    """OTLP → deltatocumulative, transform → remote write → a server, by way of a token."""
    grpc, http, health, port = free_ports(4)
    start_server(port, world.write("server.yaml", "global: {scrape_interval: 1h}\n"))
    config = world.write("remote_write.yaml", f"""
extensions:
  health_check: {{endpoint: "127.0.0.1:{health}"}}
  bearertokenauth: {{token: secret}}
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{http}", auth: {{authenticator: bearertokenauth}}}}}}}}
processors:
  deltatocumulative:
  transform: {{metric_statements: ['set(datapoint.attributes["added"], Concat([metric.name, "x"], "-"))']}}
exporters:
  prometheusremotewrite: {{endpoint: "http://127.0.0.1:{port}/api/v1/write"{keys}}}
service:
  extensions: [health_check, bearertokenauth]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{metrics: {{receivers: [otlp], processors: [deltatocumulative, transform], exporters: [prometheusremotewrite]}}}}
""")
    collector = world.run("collector", NARTHEX, "collector", "--config", config)
    wait_ready(f"http://127.0.0.1:{health}/", collector)
    now_ns = time.time_ns()
    headers = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{http}/v1/metrics"
    check(fetch(url, b"{}", headers)[0] == 401, "without the token nobody gets in")
    headers["Authorization"] = "Bearer secret"
    for i in range(2):
        body = json.dumps(histogram_request(now_ns + i * 10**9)).encode()
        status, text = fetch(url, body, headers)
        check(status == 200, f"export: {status} {text}")
    api, at = Api(port), now_ns / 1e9 + 2
    eventually(lambda: api.value("orders_total", at) == 10, "two deltas of five make ten")
    labels = 'job="shop",instance="i1",added="wait-x"'
    check(api.value(f'wait_seconds_bucket{{le="1",{labels}}}', at) == 3, "buckets add up")
    check(api.value(f"wait_seconds_count{{{labels}}}", at) == 7, "the count is there")
    check(api.value('target_info{host_name="h1",job="shop"}', at) == 1, "target_info is there")
    return api, at


def remote_write_to_narthex(world):
    """Into our server."""
    to_server(world, lambda port, config: world.narthex_server(port, config, "data", "--web.enable-remote-write-receiver"))


def remote_write_2_to_narthex(world):
    """The same in messages of version 2, which no other is accepted beside."""
    message = "io.prometheus.write.v2.Request"
    api, _ = to_server(world, lambda port, config: world.narthex_server(
        port, config, "data", "--web.enable-remote-write-receiver",
        f"--web.remote-write-receiver.accepted-protobuf-messages={message}"), f", protobuf_message: {message}")
    families = api.get("metadata")
    check(families["wait_seconds"][0]["type"] == "histogram", f"metadata of families is there: {families}")


def remote_write_to_prometheus(world):
    """Into Debian's Prometheus, with native histograms."""
    api, at = to_server(world, lambda port, config: world.prometheus(
        port, config, "prometheus", "--web.enable-remote-write-receiver", "--enable-feature=native-histograms"))
    check(api.value("histogram_count(size)", at) == 6, "the exponential histogram is a native one")


def prometheus_scrapes_native_histograms(world):
    """Debian's Prometheus scrapes the page in protobuf, and finds exponential histograms as native ones."""
    grpc, http_port, health, page, port = free_ports(5)
    config = world.write("collector.yaml", receiver(grpc, http_port) +
                         f"exporters: {{prometheus: {{endpoint: \"127.0.0.1:{page}\"}}}}\n" + service(health, "prometheus"))
    collector = world.run("collector", NARTHEX, "collector", "--config", config)
    wait_ready(f"http://127.0.0.1:{health}/", collector)
    status, text = fetch(f"http://127.0.0.1:{http_port}/v1/metrics", json.dumps(histogram_request(time.time_ns())).encode(),
                         {"Content-Type": "application/json"})
    check(status == 200, f"export: {status} {text}")
    scrape = world.write("prometheus.yml", "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\nscrape_configs:\n"
                         f"  - {{job_name: collector, static_configs: [{{targets: [\"127.0.0.1:{page}\"]}}]}}\n")
    world.prometheus(port, scrape, "prometheus", "--enable-feature=native-histograms")
    api = Api(port)

    def query(expression):
        return eventually(lambda: api.value(expression, time.time()), expression)

    check(query("histogram_count(size)") == 6, "the number of observations")
    check(query("histogram_sum(size)") == 9, "their sum")
    # At scale 2 the buckets behind 2^(2/4) hold three, and two behind it.
    check(query("histogram_fraction(1.5, 100, size)") > 0.3, "the buckets are there")
    check(query("orders_total") == 5, "and what is no histogram, too")


if __name__ == "__main__":
    main({"over_http": over_http, "over_grpc": over_grpc, "secured": secured, "traces_and_logs": traces_and_logs,
          "spans_become_metrics": spans_become_metrics,
          "receivers_and_pages": receivers_and_pages, "killed": killed,
          "killed_behind_a_batch": killed_behind_a_batch,
          "killed_with_traces": killed_with_traces, "outage": outage,
          "prometheus_scrapes_native_histograms": prometheus_scrapes_native_histograms,
          "remote_write_to_narthex": remote_write_to_narthex,
          "remote_write_2_to_narthex": remote_write_2_to_narthex,
          "remote_write_to_prometheus": remote_write_to_prometheus})
