#!/usr/bin/env python3
"""Blocks that change hands: ours read by Prometheus and promtool, theirs read by us."""

import pathlib
import random
import subprocess
import time

from harness import Api, NARTHEX, check, eventually, free_ports, main, peer

BLOCK_SECONDS = 2 * 60 * 60
SPECIAL = ["NaN", "+Inf", "-Inf", "0", "-0", "5e-324", "1.7976931348623157e+308", "1e+21", "123456789", "0.0001"]


def openmetrics(world, hours=5, series=40, step=30):
    """A file of samples, some with gaps, that ends a day ago; returns its path."""
    chance = random.Random(42)
    end = (int(time.time()) // BLOCK_SECONDS - 12) * BLOCK_SECONDS
    lines = []
    for name in ("alpha", "beta", "zeta"):
        lines.append(f"# TYPE {name} gauge")
        for i in range(series):
            odd = [r"plain", r"quo\"te", r"back\\slash", r"new\nline", "ünï"][i % 5]
            value = 0.0
            for at in range(end - hours * 3600, end, step):
                if chance.random() < 0.01 or (i % 7 == 0 and at % 9000 < 3000):
                    continue
                value += chance.choice([0, 1, 1, 2.5, -7])
                text = chance.choice(SPECIAL) if chance.random() < 0.02 else repr(value)
                lines.append(f'{name}{{id="{i:03}",odd="{odd}"}} {text} {at}.{i:03}')
    return world.write("samples.om", "\n".join(lines) + "\n# EOF\n")


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)
    check(done.returncode == 0, f"{command}: {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def promtool(*words):
    return run(peer("promtool"), "tsdb", *words)


def tool(*words):
    return run(NARTHEX, "tool", "tsdb", *words)


def blocks_from(world, program, name):
    """A data directory with blocks of the samples."""
    folder = world.folder / name
    program("create-blocks-from", "openmetrics", openmetrics(world), folder)
    (folder / "wal").mkdir(exist_ok=True)  # promtool wants one.
    return folder


def counted(text):
    """What analyze prints, without the order and the choice among equals."""
    lines = text.replace("Total Series:", "Series:").split("\n")
    sections = {}
    title = "head"
    for line in lines:
        if line.endswith(":") and not line[:1].isdigit() and "=" not in line:
            title = line
        sections.setdefault(title, []).append(line)
    return {title: sorted(lines) for title, lines in sections.items()}


def same_words(folder):
    """Both tools say the same about a directory; the samples as text."""
    for words in (["list"], ["list", "-r"]):
        ours, theirs = tool(*words, folder), promtool(*words, folder)
        check(ours == theirs, f"{words}:\n{ours}\n{theirs}")
    for words in (["--limit=10000"], ["--limit=10000", "--extended"]):
        ours, theirs = tool("analyze", *words, folder), promtool("analyze", *words, folder)
        check(counted(ours) == counted(theirs), f"analyze:\n{ours}\n{theirs}")
    ours, theirs = tool("dump", folder), promtool("dump", folder).rstrip("\n") + "\n"
    check(len(ours) > 100_000, f"only {len(ours)} bytes")
    check(ours == theirs, "the dumps differ")
    matched = ["dump", "--match", '{__name__=~"alpha|zeta",odd!="plain"}', folder]
    check(tool(*matched) == promtool(*matched), "the dumps with a matcher differ")
    return ours


def promtool_reads_our_blocks(world):
    folder = blocks_from(world, tool, "ours")
    ours = same_words(folder)
    theirs = tool("dump", blocks_from(world, promtool, "theirs"))
    check(ours == theirs, "blocks of the same file hold other samples")


def we_read_blocks_of_prometheus(world):
    same_words(blocks_from(world, promtool, "theirs"))


def prometheus_serves_our_blocks(world):
    """The same answers from our blocks as from its own."""
    ours, theirs = blocks_from(world, tool, "ours"), blocks_from(world, promtool, "theirs")
    idle = world.write("idle.yml", "scrape_configs: []\n")
    ports = free_ports(2)
    for port, folder in zip(ports, (ours, theirs)):
        world.prometheus(port, idle, folder.name)
    now = time.time()
    answers = [eventually(lambda api=Api(port): api.all_samples(now - 3 * 86400, now), "samples") for port in ports]
    check(len(answers[0]) == 120, f"{len(answers[0])} series")
    check(answers[0] == answers[1], "samples differ")
    for path in ("labels", "label/odd/values"):
        lists = [Api(port).get(path, start=now - 3 * 86400, end=now) for port in ports]
        check(lists[0] == lists[1] and lists[0], f"{path}: {lists}")


def our_samples_come_back_in(world):
    """What dump-openmetrics prints makes the same blocks again."""
    folder = blocks_from(world, tool, "ours")
    again = world.folder / "again"
    tool("create-blocks-from", "openmetrics", "-q", world.write("again.om", tool("dump-openmetrics", folder)), again)
    check(tool("dump", folder) == tool("dump", again), "samples differ")
    for block in pathlib.Path(folder).glob("01*"):
        twins = [b for b in again.glob("01*") if (b / "index").read_bytes() == (block / "index").read_bytes()]
        check(len(twins) == 1, f"{len(twins)} blocks with the index of {block.name}")
        for file in ("chunks/000001", "tombstones"):
            check((twins[0] / file).read_bytes() == (block / file).read_bytes(), f"{block.name}: {file} differs")


def the_benchmark_writes_a_database(world):
    """Of made-up series and of promtool's file of series; promtool reads what it wrote."""
    names = world.write("series.json", "".join(f'{{"__name__":"m","i":"{i}","odd":"\\"x\\""}}\n' for i in range(50)))
    for words, series in (([], 60), ([names], 50)):
        out = world.folder / f"out-{series}"
        text = tool("bench", "write", "--metrics=60", "--scrapes=1300", f"--out={out}", *words)
        check(f"total samples: {series * 1300}" in text and "bytes/sample in blocks" in text, text)
        rows = promtool("list", out).strip().split("\n")[1:]
        check(len(rows) == 2 and all(int(row.split()[6]) == series for row in rows), rows)
    done = subprocess.run([NARTHEX, "tool", "tsdb", "bench", "write", f"--out={out}"], capture_output=True, text=True)
    check(done.returncode == 1 and "is not empty" in done.stderr, done.stderr)
    bad = world.write("bad.json", '{"__name__":"m"}\n{"a":1}\n')
    done = subprocess.run([NARTHEX, "tool", "tsdb", "bench", "write", f"--out={world.folder}/new", bad],
                          capture_output=True, text=True)
    check(done.returncode == 1 and "bad.json:2: expected an object of strings" in done.stderr, done.stderr)


if __name__ == "__main__":
    main({f.__name__: f for f in [
        promtool_reads_our_blocks, we_read_blocks_of_prometheus, prometheus_serves_our_blocks,
        our_samples_come_back_in, the_benchmark_writes_a_database]})
