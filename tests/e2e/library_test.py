#!/usr/bin/env python3
"""The installed library: the programs of examples/ are built against it, as a user would, and run."""

import http.server
import json
import os
import pathlib
import subprocess
import threading

from harness import NARTHEX, ROOT, check, main


def run(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    check(done.returncode == 0, f"{command[0]} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def build_examples(world):
    """The folder of the built programs."""
    prefix = world.folder / "prefix"
    programs = world.folder / "programs"
    run(["cmake", "--install", pathlib.Path(NARTHEX).parent, "--component", "library", "--prefix", prefix])
    # A copy outside the source tree: nothing but the package can be found from there.
    examples = world.folder / "examples"
    run(["cp", "-r", ROOT / "examples", examples])
    run(["cmake", "-S", examples, "-B", programs, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
         f"-DCMAKE_PREFIX_PATH={prefix}"])
    run(["cmake", "--build", programs])
    return programs


class Collected(http.server.BaseHTTPRequestHandler):
    bodies = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.bodies.append((self.path, body))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def examples_work_against_the_package(world):
    example = (ROOT / "examples" / "instrumented.cc").read_text()
    check(f"```cpp\n{example}```" in (ROOT / "docs" / "instrumenting.md").read_text(),
          "docs/instrumenting.md shows another program than examples/instrumented.cc")
    programs = build_examples(world)
    want = '{path="/orders"} 600 @1700000060\n{path="/users"} 600 @1700000060\n'
    for attempt in ("first", "again, on what the first left"):
        if attempt != "first":
            # Its samples are refused now, each with a line on standard error; the answer is the same.
            check((world.folder / "embedded-data" / "wal").is_dir(), "no log was written")
        got = run([programs / "embedded"], cwd=world.folder)
        check(got == want, f"{attempt}: {got!r}, not {want!r}")

    server = http.server.HTTPServer(("127.0.0.1", 0), Collected)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    run([programs / "instrumented"], env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
    server.shutdown()
    check(len(Collected.bodies) == 1, f"{len(Collected.bodies)} requests, not 1")
    path, body = Collected.bodies[0]
    check(path == "/v1/metrics", path)
    for text in (b"jobs", b"job.duration", b"mail"):
        check(text in body, f"{text!r} is not in what arrived")
    line = json.loads(run([programs / "instrumented"],
                          env={**os.environ, "OTEL_METRICS_EXPORTER": "console", "OTEL_SERVICE_NAME": "shop"}))
    check("resourceMetrics" in line, line)


if __name__ == "__main__":
    main({f.__name__: f for f in [examples_work_against_the_package]})
