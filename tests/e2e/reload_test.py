#!/usr/bin/env python3
"""Reloads of the server's configuration while it scrapes: what stays must not notice."""

import http.server
import threading
import time

from harness import Api, check, eventually, fetch, free_ports, main

INTERVAL = 0.2


class Target:
    """A page for scrapers that counts who asks."""

    def __init__(self):
        self.requests = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests[self.path] = outer.requests.get(self.path, 0) + 1
                body = b"# TYPE pages counter\npages 1\nmore{i=\"1\"} 2\n"
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def job(name, address, extra=""):
    return f"  - {{job_name: {name}, metrics_path: /{name}, static_configs: [{{targets: ['{address}']}}]{extra}}}\n"


def config(*jobs, labels="a"):
    return (f"global: {{scrape_interval: {int(INTERVAL * 1000)}ms, external_labels: {{replica: {labels}}}}}\n"
            "scrape_configs:\n" + "".join(jobs))


def raw(api, query):
    """Times in milliseconds of the one series that it selects."""
    rows = api.get("query", query=query)["result"]
    check(len(rows) == 1, f"{query}: {len(rows)} series")
    return [round(float(t) * 1000) for t, _ in rows[0]["values"]]


def what_stays_does_not_notice(world):
    """Ten reloads, each with other jobs around one that stays: its samples keep their distance."""
    target, (port,) = Target(), free_ports(1)
    stays = job("stays", target.address)
    path = world.write("prometheus.yml", config(stays, job("goes", target.address)))
    world.narthex_server(port, path, "data", "--web.enable-lifecycle")
    api = Api(port)
    eventually(lambda: target.requests.get("/stays", 0) > 3 and api.value('up{job="goes"}') == 1, "both are scraped")
    for i in range(10):
        others = [job(f"other{i}", target.address)] if i % 2 else []
        # With what would make another offset of a target that begins now.
        world.write("prometheus.yml", config(*others, stays, labels=f"r{i}"))
        status, text = fetch(f"http://127.0.0.1:{port}/-/reload", b"")
        check(status == 200, f"reload: {status} {text}")
        check(api.value('up{job="goes"}') is None, "series of a job that is gone end at once")
        check(api.value('pages{job="stays"}') == 1, "a job that stays has its series")
        time.sleep(INTERVAL * 1.3)
    times = raw(api, 'pages{job="stays"}[1m]')
    gaps = [b - a for a, b in zip(times[1:], times[2:])]
    check(len(gaps) > 10 and all(abs(gap - 1000 * INTERVAL) < 900 * INTERVAL for gap in gaps), f"gaps of the job that stays: {gaps}")
    phases = sorted({round(t % (1000 * INTERVAL)) for t in times[1:]})
    check(len(times) - 1 - sum(t % (1000 * INTERVAL) == times[-1] % (1000 * INTERVAL) for t in times[1:]) < len(times) / 2,
          f"most samples are on one schedule: {phases}")
    check(api.value('count(count_over_time(up{job="stays"}[1m]))') == 1, "one series of it")


def a_bad_one_changes_nothing(world):
    """The old configuration goes on; the next good one is taken."""
    target, (port,) = Target(), free_ports(1)
    path = world.write("prometheus.yml", config(job("one", target.address)))
    world.narthex_server(port, path, "data", "--web.enable-lifecycle")
    api = Api(port)
    eventually(lambda: api.value('up{job="one"}') == 1, "it is scraped")
    world.write("prometheus.yml", config(job("two", target.address, ", tls_config: {ca_file: /none}")))
    status, text = fetch(f"http://127.0.0.1:{port}/-/reload", b"")
    check(status == 500 and "/none" in text, f"a certificate that is not there: {status} {text}")
    before = target.requests["/one"]
    eventually(lambda: target.requests["/one"] > before + 2, "the old job goes on")
    check("/two" not in target.requests, "the new one has not begun")
    world.write("prometheus.yml", config(job("two", target.address)))
    check(fetch(f"http://127.0.0.1:{port}/-/reload", b"")[0] == 200, "a good one is taken")
    eventually(lambda: api.value('up{job="two"}') == 1, "the new one has begun")
    check(api.value('up{job="one"}') is None, "the old one has ended")


if __name__ == "__main__":
    main({"what_stays_does_not_notice": what_stays_does_not_notice,
          "a_bad_one_changes_nothing": a_bad_one_changes_nothing})
