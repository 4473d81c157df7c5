#!/usr/bin/env python3
"""Data directories in every state that a program can leave them in, written by us and by Prometheus: both read each and
answer some hundreds of generated queries, and every raw sample, alike."""

import os
import random
import shutil
import signal
import threading
import time
import urllib.parse

import histograms_test
import remote_write
from harness import Api, check, eventually, fetch, free_ports, main
from promql_compare import difference, rows, same_samples
from promql_test import Client
from promql_world import BEGIN_MS, MINUTES, Generator, series

QUERIES = int(os.environ.get("NARTHEX_QUERIES", "300"))
CONFIG = "storage: {tsdb: {out_of_order_time_window: 30m}}\n"
WRITER = ["--web.enable-remote-write-receiver", "--web.enable-admin-api"]
# Prometheus cuts its head when a commit has made it long enough; ours looks after it now and then.
OURS = ["--storage.tsdb.maintenance-interval=200ms"]
# Blocks of ten minutes, so that an hour of samples makes some.
SHORT = ["--storage.tsdb.min-block-duration=10m", "--storage.tsdb.max-block-duration=10m"]
PORTION_MS = 120_000


def portions():
    """The samples of the world, two minutes at a time: no request reaches further back than a head takes."""
    world = series(random.Random(7))
    for begin in range(BEGIN_MS, BEGIN_MS + MINUTES * 60_000, PORTION_MS):
        part = [(labels, [s for s in samples if begin <= s[0] < begin + PORTION_MS]) for labels, samples in world]
        yield [(labels, samples) for labels, samples in part if samples]


def start(world, ours, port, folder, *flags):
    config = world.write("directories.yml", CONFIG)
    return (world.narthex_server if ours else world.prometheus)(port, config, folder, *flags)


def write_all(port, parts):
    for part in parts:
        remote_write.write(port, part)


def blocks_of(folder):
    return [path for path in folder.glob("01*") if (path / "meta.json").exists() and "tmp" not in path.name]


def delete(port, matcher, begin_minute, end_minute):
    query = urllib.parse.urlencode({"match[]": matcher, "start": BEGIN_MS / 1000 + 60 * begin_minute,
                                    "end": BEGIN_MS / 1000 + 60 * end_minute})
    status, body = fetch(f"http://127.0.0.1:{port}/api/v1/admin/tsdb/delete_series?{query}", b"")
    check(status == 204, f"delete: {status} {body}")


def raw(port):
    """Every sample by steps shorter than their distances would need too many points: windows of some minutes."""
    found = {}
    for minute in range(0, MINUTES, 5):
        end = BEGIN_MS / 1000 + 60 * (minute + 5) - 0.001
        data = Api(port).get("query", query='{__name__=~".+"}[5m]', time=end)
        for labels, samples in rows(data).items():
            found.setdefault(labels, []).extend(samples)
    return found


def same(world, folder, samples_min):
    """Starts both on copies of the directory and compares what they say."""
    ports = free_ports(2)
    for port, ours in zip(ports, (True, False)):
        copy = world.folder / f"{folder}-{port}"
        shutil.copytree(world.folder / folder, copy)
        (copy / "lock").unlink(missing_ok=True)
        start(world, ours, port, copy.name)
    mine, theirs = raw(ports[0]), raw(ports[1])
    check(mine.keys() == theirs.keys(), f"series: {sorted(mine.keys() ^ theirs.keys())[:5]}")
    for labels, samples in mine.items():
        other = theirs[labels]
        check(same_samples(samples, other), f"{labels}: {len(samples)} and {len(other)} samples, "
              f"{[x for x in samples if x not in other][:3]} {[x for x in other if x not in samples][:3]}")
    count = sum(map(len, mine.values()))
    check(count >= samples_min, f"only {count} samples")
    generator, clients = Generator(random.Random(11)), [Client(port) for port in ports]
    full = 0
    for i in range(QUERIES):
        path, params = ("query", generator.instant()) if i % 2 == 0 else ("query_range", generator.range())
        a, b = (client.ask(path, params) for client in clients)
        wrong = difference(params["query"], a, b)
        check(not wrong, f"{path} {params}: {wrong}")
        full += a[0] == 200 and bool(a[1]["data"]["result"])
    check(full > QUERIES / 10, f"only {full} answers are not empty")
    for program in world.programs:
        check("corrupt" not in program.text(), program.text())
    print(f"  {folder}: {len(mine)} series, {count} samples, {QUERIES} queries")
    for program in world.programs[-2:]:
        program.kill()


def both_ways(world, make, samples_min=5000):
    for ours in (True, False):
        folder = "ours" if ours else "theirs"
        (port,) = free_ports(1)
        flags = [*WRITER, *OURS] if ours else WRITER
        make(port, lambda *more: start(world, ours, port, folder, *flags, *more), world.folder / folder)
        same(world, folder, samples_min)


def log_alone(world):
    def make(port, run, folder):
        program = run()
        write_all(port, list(portions())[:8])
        program.kill()

    both_ways(world, make, 3000)


def log_and_head_chunks(world):
    def make(port, run, folder):
        program = run()
        write_all(port, portions())
        check(program.stop(signal.SIGTERM) == 0, "exit code")
        check(any(file.stat().st_size > 1000 for file in (folder / "chunks_head").iterdir()), "no head chunks")

    both_ways(world, make)


def killed_while_writing(world):
    """Nothing is known of what was written but that both see the same of it."""
    def make(port, run, folder):
        program = run()
        parts = list(portions())
        write_all(port, parts[:15])
        writer = threading.Thread(target=lambda: suppress(lambda: write_all(port, parts[15:])))
        writer.start()
        time.sleep(0.03)
        program.kill()
        writer.join()

    both_ways(world, make)


def suppress(work):
    try:
        work()
    except Exception:  # The connection ends with the server.
        pass


def make_blocks(port, run, folder, *flags):
    program = run(*SHORT, *flags)
    write_all(port, portions())
    eventually(lambda: len(blocks_of(folder)) >= 4, "four blocks", 90)
    return program


def blocks_and_log(world):
    both_ways(world, lambda port, run, folder: make_blocks(port, run, folder).kill())


def deletions(world):
    """In blocks, in the head, and across both."""
    def make(port, run, folder):
        # Ended before the next round, which would write the blocks anew that much has been deleted of.
        rounds = ["--storage.tsdb.maintenance-interval=5s"] if folder.name == "ours" else []
        program = make_blocks(port, run, folder, *rounds)
        delete(port, '{job=~".+"}', 12, 14)
        delete(port, '{__name__="up"}', 3, 58)
        # The log of Prometheus knows a series that left the head and came back, as rare ones do, by two numbers, and
        # version 2.42 forgets deletions made by the second: of those it deletes in blocks alone.
        delete(port, '{__name__=~".+_total"}', *((50, 70) if folder.name == "ours" else (3, 20)))
        program.kill()
        check(any((block / "tombstones").stat().st_size > 9 for block in blocks_of(folder)), "no tombstones")

    both_ways(world, make, 3000)


def shuffled():
    chance = random.Random(3)
    parts = list(portions())
    return [part for _, part in sorted(enumerate(parts), key=lambda pair: pair[0] + chance.randrange(9))]


def late_samples(world):
    def make(port, run, folder):
        program = run()
        write_all(port, shuffled())
        program.kill()
        check(any(file.stat().st_size > 1000 for file in (folder / "wbl").iterdir()), "no late samples")

    both_ways(world, make)


def late_samples_and_blocks(world):
    def make(port, run, folder):
        program = run(*SHORT)
        write_all(port, shuffled())
        eventually(lambda: len(blocks_of(folder)) >= 4, "four blocks", 90)
        # Prometheus 2.42 that is killed between a block and what follows it loses late samples: one time of eight it
        # answers without some that are in its own files, or has removed what held them.
        if folder.name == "theirs":
            eventually(lambda: at_rest(folder), "blocks that stay", 90)
        program.kill()

    both_ways(world, make)


def at_rest(folder):
    def entries():
        return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))

    before = entries()
    time.sleep(1)
    return entries() == before


def native_histograms(world):
    """After a kill, with deletions: shorter than the look-back, whose left end belongs to it in old versions of Prometheus
    alone. Without gauges, which those do not take out of a log."""
    for ours in (True, False):
        port, mine, other = free_ports(3)
        folder = "ours" if ours else "theirs"
        config = world.write("idle.yml", histograms_test.IDLE)
        flags = histograms_test.OURS if ours else histograms_test.THEIRS
        program = (world.narthex_server if ours else world.prometheus)(port, config, folder, *flags)
        end = histograms_test.now()
        histograms_test.write_histograms(port, end, gauges=False)
        query = urllib.parse.urlencode({"match[]": 'h{i="1"}', "start": end - 1500, "end": end - 1290})
        status, body = fetch(f"http://127.0.0.1:{port}/api/v1/admin/tsdb/delete_series?{query}", b"")
        check(status == 204, f"delete: {status} {body}")
        program.kill()
        for copy in ("a", "b"):
            shutil.copytree(world.folder / folder, world.folder / f"{folder}-{copy}")
            (world.folder / f"{folder}-{copy}" / "lock").unlink(missing_ok=True)
        world.narthex_server(mine, config, f"{folder}-a", *histograms_test.OURS)
        world.prometheus(other, config, f"{folder}-b", *histograms_test.THEIRS)
        histograms_test.same_answers(mine, other, end)


if __name__ == "__main__":
    main({f.__name__: f for f in [
        log_alone, log_and_head_chunks, killed_while_writing, blocks_and_log, deletions, late_samples,
        late_samples_and_blocks, native_histograms]})
