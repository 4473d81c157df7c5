"""What the end-to-end tests share: programs on free ports, their pages, and claims about them."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
NARTHEX = os.environ.get("NARTHEX", str(ROOT / "build/release/narthex"))
PEERS = pathlib.Path(os.environ.get("NARTHEX_PEERS", ROOT / "build/peers"))
DEADLINE_SECONDS = 60


def peer(name):
    path = PEERS / name
    if not path.exists():
        sys.exit(f"{path} is missing: run scripts/install-peers.sh")
    return str(path)


def free_ports(count):
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Failure(AssertionError):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


def eventually(condition, what, seconds=DEADLINE_SECONDS):
    """Waits for `condition()` to be true; its last value is returned."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            last = condition()
            if last:
                return last
        except (OSError, urllib.error.URLError, KeyError, ValueError) as error:
            last = error
        time.sleep(0.05)
    raise Failure(f"not within {seconds} s: {what}; last: {last}")


def fetch(url, data=None, headers=None, timeout=30):
    """Status and body, whatever the status is."""
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


class Program:
    """A child process with its output in a file; killed at the end of the test."""

    def __init__(self, name, command, folder, env=None):
        self.name = name
        self.command = [str(part) for part in command]
        self.log = pathlib.Path(folder) / f"{name}.log"
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env=self.env)

    def kill(self):
        """As kill -9 does."""
        self.process.kill()
        self.process.wait()

    def stop(self, number=signal.SIGINT, seconds=30):
        """A polite end; the exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"{self.name} did not stop within {seconds} s of signal {number}\n{self.text()}")

    def alive(self):
        return self.process.poll() is None

    def text(self):
        return self.log.read_text(errors="replace")[-4000:]

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024


class World(contextlib.ExitStack):
    """A temporary folder and the programs of one test."""

    def __enter__(self):
        super().__enter__()
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="narthex-e2e-")))
        self.programs = []
        self.callback(self._end)
        return self

    def _end(self):
        for program in reversed(self.programs):
            if program.alive():
                program.kill()

    def run(self, name, *command, env=None):
        program = Program(name, command, self.folder, env)
        self.programs.append(program)
        return program

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def narthex_server(self, port, config, data="data", *flags):
        program = self.run(f"server-{port}", NARTHEX, "server", f"--config.file={config}",
                           f"--storage.tsdb.path={self.folder / data}", f"--web.listen-address=127.0.0.1:{port}", *flags)
        wait_ready(f"http://127.0.0.1:{port}/-/ready", program)
        return program

    def prometheus(self, port, config, data="prometheus", *flags):
        """Debian's Prometheus."""
        program = self.run(f"prometheus-{port}", peer("prometheus"), f"--config.file={config}",
                           f"--storage.tsdb.path={self.folder / data}", f"--web.listen-address=127.0.0.1:{port}",
                           *flags)
        wait_ready(f"http://127.0.0.1:{port}/-/ready", program)
        return program


def wait_ready(url, program):
    def ready():
        if not program.alive():
            raise Failure(f"{program.name} ended with {program.process.returncode}:\n{program.text()}")
        return fetch(url, timeout=5)[0] == 200

    eventually(ready, f"{program.name} is ready")


class Api:
    """The HTTP API v1 of a server, ours or upstream's."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path, **params):
        query = urllib.parse.urlencode(params, doseq=True)
        status, body = fetch(f"{self.base}/{path}?{query}")
        answer = json.loads(body)
        check(answer["status"] == "success", f"{path} {params}: {status} {body[:500]}")
        return answer["data"]

    def vector(self, query, time_=None):
        """Labels (as sorted pairs) to value."""
        params = {"query": query}
        if time_ is not None:
            params["time"] = time_
        data = self.get("query", **params)
        return {tuple(sorted(row["metric"].items())): float(row["value"][1]) for row in data["result"]}

    def value(self, query, time_=None):
        """Of a query with at most one result; None without."""
        values = list(self.vector(query, time_).values())
        check(len(values) <= 1, f"{query}: {len(values)} results")
        return values[0] if values else None

    def all_samples(self, start, end, match='{__name__=~".+"}'):
        """Every raw sample: series to [(time, text)]."""
        window = int(end - start) + 1
        data = self.get("query", query=f"{match}[{window}s]", time=end)
        return {tuple(sorted(row["metric"].items())): [tuple(v) for v in row["values"]] for row in data["result"]}


def main(tests):
    """Runs the tests named on the command line, or all; exit code 1 when one fails."""
    chosen = sys.argv[1:] or list(tests)
    failed = 0
    for name in chosen:
        began = time.monotonic()
        try:
            with World() as world:
                try:
                    tests[name](world)
                except BaseException:
                    for program in world.programs:
                        print(f"--- {program.name}: {' '.join(program.command)}\n{program.text()}")
                    raise
            print(f"passed {name} ({time.monotonic() - began:.1f} s)")
        except (Failure, OSError, KeyError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAILED {name}: {type(error).__name__}: {error}")
    sys.exit(1 if failed else 0)
