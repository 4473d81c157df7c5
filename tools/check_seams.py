#!/usr/bin/env python3
"""Finds ways to files, sockets, time and chance that go around base and net.

Usage: check_seams.py SOURCE_DIR
"""
import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])
FORBIDDEN = {
    r"#include <(fstream|filesystem|cstdio|fcntl\.h|unistd\.h|dirent\.h|sys/stat\.h|sys/mman\.h|sys/file\.h)>": "files: base/file_system.h",
    r"#include <(sys/socket\.h|netinet/.*|arpa/.*|netdb\.h|sys/epoll\.h|poll\.h)>": "sockets: net",
    r"(system_clock|steady_clock)::now": "time: base/clock.h",
    r"\b(gettimeofday|clock_gettime|time\(nullptr\))": "time: base/clock.h",
    r"#include <random>|std::random_device|\brand\(\)": "chance: base/random.h",
    r"this_thread::sleep": "sleeping: wait for a condition with base::CondVar",
}
# Folders that are the seam, or that stand at the edge of the process.
ALLOWED = ("base/", "net/")
# One file, one reason.
EXCEPTIONS = {
    "demo/supervisor.cc": "waits for other processes",
    "demo/child_process.cc": "starts and signals child processes",
}

problems = []
files = [p for p in source.rglob("*") if p.suffix in (".h", ".cc")]
for file in sorted(files):
    path = file.relative_to(source).as_posix()
    if path.startswith(ALLOWED) or path in EXCEPTIONS or "/testing/" in path:
        continue
    if path.endswith(("_test.cc", "_benchmark.cc")):
        continue
    for number, line in enumerate(file.read_text().splitlines(), 1):
        for pattern, reason in FORBIDDEN.items():
            if re.search(pattern, line):
                problems.append(f"{path}:{number}: {line.strip()} ({reason})")
for problem in problems:
    print(problem)
print(f"{len(files)} files, {len(problems)} problems")
sys.exit(1 if problems or not files else 0)
