#!/usr/bin/env python3
"""The server alone: what a kill leaves, and data directories that change hands with Prometheus."""

import pathlib
import random
import re
import signal
import subprocess
import time

import histograms_test
import remote_write
from harness import Api, Failure, NARTHEX, check, eventually, fetch, free_ports, main, peer
from remote_write import field

CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: self
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""

QUERIES = [
    "up", "count({job='self'})", "sum by (handler) (prometheus_http_requests_total)",
    "rate(process_cpu_seconds_total[5m])", "increase(prometheus_tsdb_head_samples_appended_total[2m])",
    "max_over_time(prometheus_tsdb_head_series[5m])", "topk(3, {__name__=~'process_.*'})",
    "process_resident_memory_bytes / 1024 / 1024", "scrape_samples_scraped > 10", "-up + 3 * 2",
    "count by (__name__) ({__name__=~'prometheus_.+'})", "avg_over_time(scrape_duration_seconds[1m])",
    "quantile_over_time(0.5, scrape_samples_scraped[1m])", "up offset 1s", "absent(nothing)",
    "label_replace(up, 'host', '$1', 'instance', '(.*):.*')", "deriv(process_resident_memory_bytes[1m])",
    "prometheus_build_info * on (instance) group_left () up", "stddev({__name__=~'scrape_.*'})",
    "delta(process_open_fds[1m])", "changes(up[1m])", "resets(process_cpu_seconds_total[1m])",
    "histogram_quantile(0.9, nothing)", "vector(1) unless up", "up and on () vector(1)",
]


def collect(world, port):
    config = world.write("prometheus.yml", CONFIG.format(port=port))
    server = world.narthex_server(port, config)
    api = Api(port)
    eventually(lambda: (api.value("count_over_time(up[1m])") or 0) >= 10, "ten scrapes")
    return config, server, api


def same_answers(ours, theirs, at):
    """The same vectors, up to rounding; returns how many series were compared."""
    compared = 0
    for query in QUERIES:
        a, b = ours.vector(query, at), theirs.vector(query, at)
        check(a.keys() == b.keys(), f"{query}: labels differ\n ours   {sorted(a)}\n theirs {sorted(b)}")
        for labels in a:
            difference = abs(a[labels] - b[labels])
            check(difference <= 1e-12 * max(abs(a[labels]), abs(b[labels]), 1e-300),
                  f"{query}: {labels}: {a[labels]!r} and {b[labels]!r}")
            compared += 1
    return compared


def nothing_seen_is_lost_by_a_kill(world):
    """kill -9 in the middle of scraping: every sample that was visible before is there again."""
    (port,) = free_ports(1)
    config, server, api = collect(world, port)
    for _ in range(3):
        now = time.time()
        before = api.all_samples(now - 60, now)
        server.kill()
        server.start()
        eventually(lambda: fetch(f"http://127.0.0.1:{port}/-/ready")[0] == 200, "ready again")
        after = api.all_samples(now - 60, now)
        check(len(before) > 20, f"only {len(before)} series")
        for series, samples in before.items():
            missing = set(samples) - set(after.get(series, []))
            check(not missing, f"{series}: lost {sorted(missing)[:5]}")


def stops_politely(world):
    """SIGTERM and SIGINT end it with exit code 0 and an unlocked directory."""
    (port,) = free_ports(1)
    config, server, api = collect(world, port)
    for number in (signal.SIGTERM, signal.SIGINT):
        check((world.folder / "data/lock").exists(), "no lock file while running")
        check(server.stop(number) == 0, f"exit code {server.process.returncode}")
        check(not (world.folder / "data/lock").exists(), "lock file left behind")
        server.start()
        eventually(lambda: fetch(f"http://127.0.0.1:{port}/-/ready")[0] == 200, "ready again")


def prometheus_takes_over_the_directory(world):
    """Prometheus opens what we wrote and answers the same."""
    port, other = free_ports(2)
    config, server, api = collect(world, port)
    at = time.time()
    idle = world.write("idle.yml", "scrape_configs: []\n")
    check(server.stop() == 0, "exit code")
    subprocess.run(["cp", "-r", world.folder / "data", world.folder / "copy"], check=True)
    world.narthex_server(port, idle)
    world.prometheus(other, idle, "copy")
    compared = same_answers(Api(port), Api(other), at)
    check(compared >= 40, f"only {compared} series compared")
    mine, theirs = Api(port).all_samples(at - 60, at), Api(other).all_samples(at - 60, at)
    check(mine == theirs and len(mine) > 20, "raw samples differ")


def we_take_over_a_log_of_prometheus(world):
    """The reverse: a directory that Prometheus wrote, log only, after a kill."""
    port, other = free_ports(2)
    config = world.write("prometheus.yml", CONFIG.format(port=other))
    theirs = world.prometheus(other, config, "theirs")
    eventually(lambda: (Api(other).value("count_over_time(up[1m])") or 0) >= 10, "ten scrapes")
    theirs.kill()
    at = time.time()
    subprocess.run(["cp", "-r", world.folder / "theirs", world.folder / "copy"], check=True)
    idle = world.write("idle.yml", "scrape_configs: []\n")
    world.narthex_server(port, idle, "copy")
    world.prometheus(other, idle, "theirs")
    mine, upstream = Api(port).all_samples(at - 60, at), Api(other).all_samples(at - 60, at)
    check(len(mine) > 100, f"only {len(mine)} series")
    for series in mine.keys() | upstream.keys():
        check(mine.get(series) == upstream.get(series),
              f"{series}:\n ours   {mine.get(series)}\n theirs {upstream.get(series)}")


def head_chunks_change_hands(world):
    """Files of finished head chunks: Prometheus opens ours without complaint, and we open its."""
    ours, theirs, third, fourth = free_ports(4)
    idle = world.write("idle.yml", "scrape_configs: []\n")
    receiver = "--web.enable-remote-write-receiver"
    writers = {ours: world.narthex_server(ours, idle, "ours", receiver),
               theirs: world.prometheus(theirs, idle, "theirs", receiver)}
    end = int(time.time()) * 1000
    for port in writers:
        for k in range(400):
            remote_write.write(port, [({"__name__": "m", "i": str(i)},
                                       [(end + (k - 400) * 15000, float(k * i % 97))]) for i in range(8)])
    check(writers[ours].stop() == 0, "exit code")
    writers[theirs].kill()
    for name in ("ours", "theirs"):
        files = list((world.folder / name / "chunks_head").iterdir())
        check(files and files[0].stat().st_size > 1000, f"{name}: no head chunks: {files}")
        subprocess.run(["cp", "-r", world.folder / name, world.folder / f"{name}-copy"], check=True)
    reader = world.prometheus(third, idle, "ours-copy")
    other = world.narthex_server(fourth, idle, "theirs-copy")
    mine, upstream = (Api(port).all_samples(end / 1000 - 7200, end / 1000) for port in (fourth, third))
    check(len(mine) == 8 and all(len(samples) == 400 for samples in mine.values()), "samples are missing")
    check(mine == upstream, "samples differ")
    check("chunks failed" not in reader.text() and "corrupt" not in reader.text(), reader.text())
    check("head chunk" not in other.text(), other.text())


def promtool_asks_our_server(world):
    (port,) = free_ports(1)
    config, server, api = collect(world, port)
    url = f"http://127.0.0.1:{port}"

    def promtool(*words):
        done = subprocess.run([peer("promtool"), "query", *words], capture_output=True, text=True, timeout=30)
        check(done.returncode == 0, f"promtool query {words}: {done.stderr}")
        return done.stdout

    check(re.search(r'up\{instance="127\.0\.0\.1:\d+", job="self"\} => 1 @', promtool("instant", url, "up")),
          "query instant")
    check("process_cpu_seconds_total" in promtool("series", "--match={job='self'}", url), "query series")
    check("self" in promtool("labels", url, "job"), "query labels")
    now = int(time.time())
    ranged = promtool("range", f"--start={now - 5}", f"--end={now}", "--step=1s", url, "sum(up)")
    check("=>" in ranged and "1 @" in ranged, f"query range: {ranged}")


def mistakes_get_one_clear_line(world):
    """Wrong flag, wrong file, port and directory in use: what, where, and a non-zero exit."""
    (port,) = free_ports(1)
    config = world.write("good.yml", "scrape_configs: []\n")
    bad = world.write("bad.yml", "scrape_configs:\n  - job_name: a\n    scrape_intervall: 5s\n")
    world.narthex_server(port, config)

    def run(*flags):
        done = subprocess.run([NARTHEX, "server", *flags], capture_output=True, text=True, timeout=30)
        return done.returncode, done.stderr

    code, text = run("--storage.tsdb.pth=x")
    check(code == 2 and "did you mean `--storage.tsdb.path`?" in text, f"unknown flag: {code} {text}")
    for flag in ("--storage.tsdb.compaction-threads=65", "--storage.tsdb.maintenance-interval=0s"):
        code, text = run(f"--config.file={config}", flag)
        check(code == 2 and flag.split("=")[0] in text and text.count("\n") == 1, f"{flag}: {code} {text}")
    code, text = run(f"--config.file={bad}", f"--storage.tsdb.path={world.folder / 'other'}")
    check(code == 2 and 'bad.yml:3:5: unknown key "scrape_intervall" (did you mean "scrape_interval"?)' in text,
          f"bad key: {code} {text}")
    code, text = run("--config.file=/nonexistent.yml")
    check(code != 0 and "/nonexistent.yml" in text, f"no file: {code} {text}")
    code, text = run(f"--config.file={config}", f"--storage.tsdb.path={world.folder / 'other'}",
                     f"--web.listen-address=127.0.0.1:{port}")
    check(code == 1 and "in use" in text, f"port in use: {code} {text}")
    code, text = run(f"--config.file={config}", f"--storage.tsdb.path={world.folder / 'data'}",
                     "--web.listen-address=127.0.0.1:0")
    check(code == 1 and "is locked by process" in text, f"locked: {code} {text}")
    # Upstream's flags are all known.
    code, text = run("--help")
    check(code == 0, "help")
    flags = (pathlib.Path(__file__).parent / "prometheus_flags.txt").read_text().split()
    done = subprocess.run([NARTHEX, "server", *flags, f"--config.file={config}",
                           f"--storage.tsdb.path={world.folder / 'data'}"],
                          capture_output=True, text=True, timeout=30)
    check("unknown flag" not in done.stderr and "locked" in done.stderr, done.stderr)


def a_full_disk_heals(world):
    """On a real file system of 6 MiB, which only the server's mount namespace sees."""
    port, = free_ports(1)
    config = world.write("prometheus.yml", CONFIG.format(port=port))
    disk = world.folder / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size=6m none {disk} && exec "$@"'
    server = world.run("narthex-server", "unshare", "-rm", "sh", "-c", mount, "sh", NARTHEX, "server",
                       f"--config.file={config}", f"--storage.tsdb.path={disk}/data",
                       f"--web.listen-address=127.0.0.1:{port}")
    api = Api(port)
    count = "count_over_time(up{job='self'}[5m])"
    eventually(lambda: (api.value(count) or 0) >= 5, "five scrapes")
    filler = pathlib.Path(f"/proc/{server.process.pid}/root{disk}/filler")
    try:
        with open(filler, "wb", buffering=0) as f:
            while True:
                f.write(bytes(4096))
        raise Failure("the disk did not fill up")
    except OSError as error:
        check("No space" in str(error), error)

    def failed():
        return float(re.search(r"^prometheus_tsdb_wal_writes_failed_total (\d+)", fetch(
            f"http://127.0.0.1:{port}/metrics")[1], re.M)[1])
    eventually(lambda: failed() >= 3, "scrapes refused on the full disk")
    seen = api.value(count)
    check(seen >= 5 and server.alive(), "reading stopped")
    filler.unlink()
    eventually(lambda: api.value(count) >= seen + 5, "scrapes are kept again, by itself")
    before = failed()
    eventually(lambda: api.value(count) >= seen + 10, "and go on")
    check(failed() == before, "writes fail although there is room")
    check("No space left on device" in server.text(), server.text())


def late_samples_change_hands(world):
    """Written out of order into one program, killed, read by the other, and so on."""
    config = world.write("prometheus.yml", "storage: {tsdb: {out_of_order_time_window: 2h}}\n")
    chance = random.Random(7)
    now = int(time.time())
    want = {}

    def write_some(port, turn):
        times = [now - 3600 + 60 * turn + 15 * i for i in range(200)]
        for i in range(3):
            labels = {"__name__": "late", "i": str(i)}
            mine = list(times)
            chance.shuffle(mine)
            # More than fit into one buffer of late samples, over several requests.
            for begin in range(0, len(mine), 40):
                part = [(t * 1000 + turn, t % 1000 + i) for t in mine[begin:begin + 40]]
                remote_write.write(port, [(labels, sorted(part))])
                for t, v in part:
                    want.setdefault(tuple(sorted(labels.items())), {})[t / 1000] = str(v)

    def same(api, who):
        got = {series: {float(t): v for t, v in samples}
               for series, samples in api.all_samples(now - 7200, now + 60, "late").items()}
        check(got == want, f"{who}: {sum(map(len, got.values()))} samples, not {sum(map(len, want.values()))}")

    for turn in range(4):
        port, = free_ports(1)
        ours = turn % 2 == 0
        start = world.narthex_server if ours else world.prometheus
        program = start(port, config, "data", "--web.enable-remote-write-receiver")
        if turn > 0:
            same(Api(port), f"turn {turn}, before")
        write_some(port, turn)
        same(Api(port), f"turn {turn}, after")
        if turn < 2:
            program.kill()
            (world.folder / "data" / "lock").unlink(missing_ok=True)
        else:
            program.stop(signal.SIGTERM)
    port, = free_ports(1)
    world.narthex_server(port, config, "data")
    same(Api(port), "at the end")


def refusals_are_counted_alike(world):
    """By reason and by form, without and with a window for late samples."""
    families = [f"prometheus_tsdb_{reason}_samples_total" for reason in ("out_of_order", "out_of_bound", "too_old")]
    window = world.write("window.yml", "storage: {tsdb: {out_of_order_time_window: 2m}}\n")
    idle = world.write("idle.yml", histograms_test.IDLE)
    now = int(time.time()) * 1000
    minute = 60_000
    labels = field(1, field(1, b"__name__") + field(2, b"m"))

    def number(t, v):
        return remote_write.sample(t, v)

    def whole(t, v):
        return histograms_test.histogram(t, {1: v}, v, 0, False, False)

    def offer(port, sample, name, *times):
        for i, t in enumerate(times):
            series = labels + field(1, field(1, b"form") + field(2, name)) + sample(t, i + 1)
            headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
                       "X-Prometheus-Remote-Write-Version": "0.1.0"}
            fetch(f"http://127.0.0.1:{port}/api/v1/write", remote_write.snappy(field(1, series)), headers)

    def counts(port):
        _, text = fetch(f"http://127.0.0.1:{port}/metrics")
        found = re.findall(r'^(\w+){type="(\w+)"} (\d+)$', text if isinstance(text, str) else text.decode(), re.M)
        # Prometheus shows a counter once it has counted.
        return {(name, form): int(n) for name, form, n in found if name in families and int(n) > 0}

    month = 31 * 24 * 60 * minute
    for config in (idle, window):
        got = []
        for start, flags in ((world.narthex_server, histograms_test.OURS), (world.prometheus, histograms_test.THEIRS)):
            (port,) = free_ports(1)
            program = start(port, config, f"{len(world.programs)}", *flags)
            offer(port, number, b"n", now, now - minute, now - month, now - 5 * minute)
            if config == idle:  # Version 2.42 takes no late histograms, and counts them otherwise.
                offer(port, whole, b"h", now, now - minute, now - month, now - 5 * minute)
            got.append(counts(port))
            program.kill()
        check(got[0] == got[1] and got[0], f"{config}:\n ours   {got[0]}\n theirs {got[1]}")


if __name__ == "__main__":
    main({f.__name__: f for f in [
        nothing_seen_is_lost_by_a_kill, stops_politely, prometheus_takes_over_the_directory,
        we_take_over_a_log_of_prometheus, head_chunks_change_hands,
        promtool_asks_our_server, mistakes_get_one_clear_line,
        a_full_disk_heals, late_samples_change_hands, refusals_are_counted_alike]})
