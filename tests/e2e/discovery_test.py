#!/usr/bin/env python3
"""Discovery and the HTTP client of scrape jobs: Debian's Prometheus and ours with one configuration.

The tests run in namespaces of their own, where this program is the machine's name server.
"""

import base64
import fcntl
import functools
import http.server
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from harness import Api, check, eventually, fetch, free_ports, main, NARTHEX, wait_ready

TYPES = {"A": 1, "NS": 2, "MX": 15, "AAAA": 28, "SRV": 33}


def wire_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def wire_record(kind, value):
    if kind == "A":
        return socket.inet_pton(socket.AF_INET, value)
    if kind == "AAAA":
        return socket.inet_pton(socket.AF_INET6, value)
    if kind == "MX":
        return struct.pack(">H", 10) + wire_name(value)
    host, port = value
    return struct.pack(">HHH", 0, 0, port) + wire_name(host)


class NameServer(threading.Thread):
    """Answers from `records`: (name, type) to values; a name without any does not exist."""

    def __init__(self):
        super().__init__(daemon=True)
        self.records = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        self.start()

    def run(self):
        while True:
            question, peer = self.socket.recvfrom(4096)
            self.socket.sendto(self.answer(question), peer)

    def answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode())
            at += question[at] + 1
        name, kind = ".".join(labels).lower(), struct.unpack(">H", question[at + 1:at + 3])[0]
        known = any(owner == name for owner, _ in self.records)
        answers = [wire_record(word, value) for (owner, word), values in self.records.items()
                   if owner == name and TYPES[word] == kind for value in values]
        out = question[:2] + struct.pack(">HHHHH", 0x8180 | (0 if known else 3), 1, len(answers), 0, 0)
        out += question[12:at + 5]
        for data in answers:
            out += struct.pack(">HHHIH", 0xC00C, kind, 1, 1, len(data)) + data
        return out


@functools.cache
def name_server():
    """The only one of this program: its port is taken for good."""
    return NameServer()


class Site(threading.Thread):
    """An HTTP server with a handler per path; keeps the headers it was sent."""

    def __init__(self):
        super().__init__(daemon=True)
        self.pages, self.seen = {}, {}
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                path = urllib.parse.urlparse(self.path).path
                site.seen.setdefault(path, []).append(self.headers)
                status, headers, text = site.pages.get(path, lambda *_: (404, {}, ""))(self.headers, body)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(text.encode())), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = respond

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.start()

    def run(self):
        self.server.serve_forever()

    def targets(self, groups):
        """What /targets answers from now on."""
        text = json.dumps(groups)
        self.pages["/targets"] = lambda *_: (200, {"Content-Type": "application/json"}, text)


def shown(api):
    """What a person sees of the targets, in an order of its own."""
    data = api.get("targets")
    active = [[t["scrapePool"], t["scrapeUrl"], sorted(t["labels"].items()), sorted(t["discoveredLabels"].items())]
              for t in data["activeTargets"]]
    dropped = [["dropped", sorted(t["discoveredLabels"].items())] for t in data["droppedTargets"]]
    return sorted(active + dropped, key=json.dumps)


def addresses(api, pool):
    return sorted(t["discoveredLabels"]["__address__"] for t in api.get("targets")["activeTargets"]
                  if t["scrapePool"] == pool)


def metric(port, name, labels=""):
    page = fetch(f"http://127.0.0.1:{port}/metrics")[1]
    found = re.search(rf"^{name}{re.escape(labels)} (\S+)$", page, re.M)
    return float(found[1]) if found else None


CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: files
    file_sd_configs: [{{files: ['{folder}/targets/*.json', '{folder}/targets/*.yml']}}]
    relabel_configs:
      - {{source_labels: [__meta_filepath], regex: '.*/(.*)', target_label: file}}
      - {{source_labels: [role], regex: hidden, action: drop}}
  - job_name: http
    http_sd_configs: [{{url: 'http://127.0.0.1:{site}/targets', refresh_interval: 1s}}]
  - job_name: dns
    dns_sd_configs:
      - {{names: [srv.test, other.test], refresh_interval: 1s}}
      - {{names: [a.test], type: A, port: 9100, refresh_interval: 1s}}
      - {{names: [short], type: AAAA, port: 9100, refresh_interval: 1s}}
    relabel_configs:
      - {{source_labels: [__meta_dns_name], target_label: dns}}
"""


def both(world, config):
    """Their API and ours."""
    ours, theirs = free_ports(2)
    world.prometheus(theirs, config)
    world.narthex_server(ours, config)
    return Api(theirs), Api(ours), theirs, ours


def agree(theirs, ours, what, condition):
    eventually(lambda: condition(theirs) and condition(ours), what)
    expected, found = shown(theirs), shown(ours)
    check(found == expected, f"{what}:\nprometheus: {json.dumps(expected)}\nnarthex:    {json.dumps(found)}")


def replace(path, text):
    """As careful programs write files."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def targets_are_those_of_prometheus(world):
    """Files, HTTP answers and name servers change while both run; both show the same."""
    names, site = name_server(), Site()
    folder = world.folder / "targets"
    folder.mkdir()
    a = folder / "a.json"
    a.write_text(json.dumps([{"targets": ["a:1", "b:2"], "labels": {"env": "x", "__metrics_path__": "/m"}},
                             {"targets": ["hidden:1"], "labels": {"role": "hidden"}}]))
    (folder / "b.yml").write_text("- targets: ['c:3']\n  labels: {number: 5}\n")
    site.targets([{"targets": ["h:1"], "labels": {"__meta_zone": "z", "env": "y"}}])
    names.records = {("srv.test", "SRV"): [("one.test", 9100), ("two.test", 9200)],
                     ("a.test", "A"): ["127.0.0.2", "127.0.0.3"],
                     ("short.search.test", "AAAA"): ["fd00::1"]}
    theirs, ours, their_port, our_port = both(world, world.write("p.yml", CONFIG.format(folder=world.folder, site=site.port)))
    agree(theirs, ours, "the first targets", lambda api: len(shown(api)) == 10)

    replace(a, json.dumps([{"targets": ["b:2", "d:4"], "labels": {"env": "x"}}]))
    (folder / "b.yml").unlink()
    (folder / "c.yml").write_text("[{targets: ['e:5']}]")
    site.targets([{"targets": ["h:1", "h:2"]}, {"targets": ["i:1"]}])
    names.records = {("srv.test", "SRV"): [("two.test", 9200)], ("other.test", "SRV"): [("three.test", 1)],
                     ("a.test", "A"): ["127.0.0.4"]}
    agree(theirs, ours, "the changed targets",
          lambda api: addresses(api, "files") == ["b:2", "d:4", "e:5"] and
          addresses(api, "http") == ["h:1", "h:2", "i:1"] and
          addresses(api, "dns") == ["127.0.0.4:9100", "three.test:1", "two.test:9200"])

    # Mistakes change nothing and are counted.
    replace(a, '[{"targets": [')
    site.pages["/targets"] = lambda *_: (200, {"Content-Type": "text/plain"}, "[]")
    for port in (their_port, our_port):
        for name in ("prometheus_sd_file_read_errors_total", "prometheus_sd_http_failures_total"):
            eventually(lambda: metric(port, name) >= 1, f"{name} of port {port}")
        check(metric(port, "prometheus_sd_dns_lookups_total") > 0, "lookups are counted")
        count = metric(port, "prometheus_sd_discovered_targets", '{config="http",name="scrape"}')
        check(count == 3, f"port {port}: {count} targets of the job http")
        good = folder / "c.yml"
        check(metric(port, "prometheus_sd_file_mtime_seconds", f'{{filename="{good}"}}') > 1e9, f"port {port}: {good}")
    agree(theirs, ours, "the targets as they were", lambda api: len(addresses(api, "files")) == 3)


CLIENTS = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}
scrape_configs:
  - job_name: oauth
    metrics_path: /oauth
    oauth2: {{client_id: me, client_secret_file: secret, token_url: 'http://127.0.0.1:{site}/token', scopes: [a, b]}}
    static_configs: [{{targets: ['127.0.0.1:{site}']}}]
  - job_name: bearer
    metrics_path: /bearer
    bearer_token: tok
    static_configs: [{{targets: ['127.0.0.1:{site}']}}]
  - job_name: password
    metrics_path: /password
    basic_auth: {{username: u, password_file: secret}}
    static_configs: [{{targets: ['127.0.0.1:{site}']}}]
  - job_name: proxied
    metrics_path: /proxied
    proxy_url: 'http://u:hush@127.0.0.1:{site}'
    static_configs: [{{targets: ['target.test:80']}}]
"""


def credentials_arrive_as_those_of_prometheus(world):
    """Tokens, passwords from files and a proxy: targets that ask for them are up."""
    site = Site()
    basic = "Basic " + base64.b64encode(b"u:one").decode()

    def page(*expected, name="Authorization"):
        return lambda headers, _: ((200, {"Content-Type": "text/plain"}, "page 1\n")
                                   if headers.get(name) in expected else (401, {}, "no"))

    def token(headers, body):
        form = urllib.parse.parse_qs(body)
        good = headers.get("Authorization") == "Basic " + base64.b64encode(b"me:one").decode()
        check(form["grant_type"] == ["client_credentials"] and form["scope"] == ["a b"], body)
        answer = json.dumps({"access_token": "granted", "token_type": "bearer", "expires_in": 3600})
        return (200, {"Content-Type": "application/json"}, answer) if good else (401, {}, "no")

    site.pages = {"/oauth": page("Bearer granted"), "/token": token, "/bearer": page("Bearer tok"),
                  "/password": page(basic), "/proxied": page("target.test", "target.test:80", name="Host")}
    (world.folder / "secret").write_text("one\n")
    config = world.write("p.yml", CLIENTS.format(site=site.port))
    theirs, ours, _, our_port = both(world, config)
    for api in (theirs, ours):
        eventually(lambda: len([t for t in api.get("targets")["activeTargets"] if t["health"] == "up"]) == 4,
                   f"all targets of {api.base} are up")
    check(shown(theirs) == shown(ours), "the targets are the same")
    check(len(site.seen["/token"]) == 2, f"one token each: {len(site.seen['/token'])}")
    shown_config = ours.get("status/config")["yaml"]
    check("tok\"" not in shown_config and "hush" not in shown_config and "<secret>" in shown_config, shown_config)
    # The file is read again: the old password is refused from now on, the new one not.
    site.pages["/password"] = page("Basic " + base64.b64encode(b"u:two").decode())
    (world.folder / "secret").write_text("two\n")
    health = lambda: {t["scrapePool"]: t["health"] for t in ours.get("targets")["activeTargets"]}
    seen = len(site.seen["/password"])
    eventually(lambda: len(site.seen["/password"]) > seen + 4 and health()["password"] == "up", "the new password")


COLLECTOR = """
receivers:
  prometheus:
    config:
      scrape_configs:
        - job_name: found
          scrape_interval: 1s
          file_sd_configs: [{{files: ['{folder}/found.json']}}]
          dns_sd_configs: [{{names: [a.test], type: A, port: {site}, refresh_interval: 1s}}]
exporters: {{prometheus: {{endpoint: '127.0.0.1:{port}', resource_to_telemetry_conversion: {{enabled: true}}}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{metrics: {{receivers: [prometheus], exporters: [prometheus]}}}}
"""


def the_collector_finds_targets(world):
    """The Prometheus receiver follows a file and a name server."""
    names, site = name_server(), Site()
    site.pages["/metrics"] = lambda *_: (200, {"Content-Type": "text/plain"}, "found 1\n")
    names.records = {("a.test", "A"): ["127.0.0.1"]}
    port, = free_ports(1)
    found = world.folder / "found.json"
    found.write_text("[]")
    config = world.write("c.yml", COLLECTOR.format(folder=world.folder, site=site.port, port=port))
    collector = world.run("collector", NARTHEX, "collector", f"--config={config}")
    page = f"http://127.0.0.1:{port}/metrics"
    wait_ready(page, collector)
    instances = lambda: set(re.findall(r'^found\{.*?instance="([^"]+)".*\} 1', fetch(page)[1], re.M))
    eventually(lambda: instances() == {f"127.0.0.1:{site.port}"}, "the target that the name server names")
    replace(found, json.dumps([{"targets": [f"localhost:{site.port}"]}]))
    eventually(lambda: f"localhost:{site.port}" in instances(), "the target that the file names")


def in_own_namespaces():
    """Network and mounts of our own: loopback, and a resolv.conf that names us."""
    if os.environ.get("NARTHEX_E2E_INSIDE") != "1":
        os.environ["NARTHEX_E2E_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-rmn", sys.executable, *sys.argv])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        up = 0x8914, struct.pack("16sh14x", b"lo", 0x41)  # SIOCSIFFLAGS; IFF_UP, IFF_RUNNING
        fcntl.ioctl(any_socket, *up)
    with tempfile.NamedTemporaryFile("w", suffix=".conf", delete=False) as conf:
        conf.write("nameserver 127.0.0.1\nsearch search.test\n")
    os.chmod(conf.name, 0o644)
    subprocess.run(["mount", "--bind", conf.name, str(pathlib.Path("/etc/resolv.conf").resolve())], check=True)
    os.unlink(conf.name)


if __name__ == "__main__":
    in_own_namespaces()
    main({f.__name__: f for f in [targets_are_those_of_prometheus, credentials_arrive_as_those_of_prometheus,
                                  the_collector_finds_targets]})
