#!/usr/bin/env python3
"""Collectors behind one another, over both protocols, with the second one away for a while."""

import json

from harness import NARTHEX, check, eventually, fetch, free_ports, main, wait_ready

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


def killed(world):
    """A with a queue on disk is killed during an outage of B; nothing that was acknowledged is lost."""
    a_grpc, a_http, a_health, b_grpc, b_http, b_health, page = free_ports(7)
    exporter = EXPORTERS["otlp_http"].format(http=b_http, retry=RETRY + ", sending_queue: {storage: file_storage}")
    a_config = world.write("a.yaml", receiver(a_grpc, a_http) + f"exporters: {{otlp_http: {exporter}}}\n" +
                           service(a_health, "otlp_http").replace(
                               "extensions: {", "extensions: {file_storage: {directory: queue, create_directory: true}, ", 1)
                           .replace("extensions: [", "extensions: [file_storage, ", 1))
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


if __name__ == "__main__":
    main({"over_http": over_http, "over_grpc": over_grpc, "killed": killed})
