#!/usr/bin/env python3
"""A collector that is sent twice what it can pass on."""

import http.client
import http.server
import json
import threading
import time

from harness import NARTHEX, check, eventually, free_ports, main, wait_ready

LIMIT_MIB = 64
PAD_BYTES = 200_000
WORK_SECONDS = 0.02  # What the target takes for a request; one at a time, so that its rate has a bound.
MEASURED = 300       # Acknowledged requests by which the rate is measured.
REFUSALS = 200       # That many, and the overload has been one.
REQUESTS_MAX = 20_000


class SlowTarget:
    """Takes OTLP in JSON, one request after the other, and keeps the names of the metrics."""

    def __init__(self):
        self.names = set()
        names, lock = self.names, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    time.sleep(WORK_SECONDS)
                    for resource in body["resourceMetrics"]:
                        for scope in resource["scopeMetrics"]:
                            names.update(metric["name"] for metric in scope["metrics"])
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                pass  # A connection that ends with the test.

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Sender:
    """Sends one point after the other, each with a name of its own, and notes what became of it."""

    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.acknowledged, self.refused, self.next, self.problems = [], 0, 0, []

    def send(self, connection):
        with self.lock:
            name, self.next = f"load_{self.next}", self.next + 1
        point = {"asInt": "1", "timeUnixNano": "1700000000000000000"}
        pad = {"attributes": [{"key": "pad", "value": {"stringValue": "x" * PAD_BYTES}}]}
        connection.request("POST", "/v1/metrics", json.dumps({"resourceMetrics": [{
            "resource": pad, "scopeMetrics": [{"metrics": [{"name": name, "gauge": {"dataPoints": [point]}}]}]}]}),
            {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        with self.lock:
            if response.status == 200:
                self.acknowledged.append(name)
            else:
                self.refused += 1
                if response.status != 503 or response.getheader("Retry-After") is None:
                    self.problems.append(f"{response.status} {response.getheaders()} {text}")

    def at_rate(self, per_second, enough):
        """From eight threads, each request at its point of time, until it is enough."""
        began, first = time.monotonic(), self.next

        def run():
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            while not enough():
                with self.lock:
                    due = began + (self.next - first) / per_second
                time.sleep(max(0.0, due - time.monotonic()))
                self.send(connection)

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return (self.next - first) / (time.monotonic() - began)


def twice_the_rate(world):
    """The rate that goes through is measured, then twice as much is offered: what is too much is refused in a way that
    senders try again, memory stays within its limit, and everything acknowledged arrives."""
    target = SlowTarget()
    grpc, port, health = free_ports(3)
    config = world.write("collector.yaml", f"""
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
processors: {{memory_limiter: {{check_interval: 1s, limit_mib: {LIMIT_MIB}, spike_limit_mib: 16}}}}
exporters:
  otlp_http:
    endpoint: http://127.0.0.1:{target.port}
    encoding: json
    compression: none
    timeout: 60s
    sending_queue: {{queue_size: 1000000, num_consumers: 4}}
extensions: {{health_check: {{endpoint: "127.0.0.1:{health}"}}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{metrics: {{receivers: [otlp], processors: [memory_limiter], exporters: [otlp_http]}}}}
""")
    collector = world.run("collector", NARTHEX, "collector", "--config", config)
    wait_ready(f"http://127.0.0.1:{health}/", collector)

    # As fast as one sender has its answers, which is faster than the target: the queue is never empty.
    sender = Sender(port)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    began, before = None, 0
    while len(sender.acknowledged) < MEASURED:
        refused = sender.refused
        sender.send(connection)
        if sender.refused > refused:
            time.sleep(WORK_SECONDS)
        if began is None and len(target.names) >= MEASURED // 10:
            began, before = time.monotonic(), len(target.names)
    check(began is not None and len(target.names) > before, "the target is at work")
    sustained = (len(target.names) - before) / (time.monotonic() - began)

    rss_max, sender.refused = 0, 0

    def enough():
        nonlocal rss_max
        rss_max = max(rss_max, collector.rss_bytes())
        return sender.refused >= REFUSALS or sender.next >= REQUESTS_MAX

    offered = sender.at_rate(2 * sustained, enough)
    check(not sender.problems, f"refusals tell senders to come again: {sender.problems[:3]}")
    check(sender.refused >= REFUSALS, f"{sender.refused} of {sender.next} requests were refused")
    eventually(lambda: target.names.issuperset(sender.acknowledged),
               f"the {len(sender.acknowledged)} acknowledged points have arrived", seconds=120)
    rss_max = max(rss_max, collector.rss_bytes())
    limit = LIMIT_MIB * 2**20 * 1.1
    check(rss_max <= limit, f"it held {rss_max / 2**20:.1f} MiB of {limit / 2**20:.1f}")
    print(f"{sustained:.0f} requests/s went through, {offered:.0f} were offered; acknowledged "
          f"{len(sender.acknowledged)}, refused {sender.refused}, RSS at most {rss_max / 2**20:.1f} MiB")


if __name__ == "__main__":
    main({"twice_the_rate": twice_the_rate})
