#!/usr/bin/env python3
"""Compares the includes of every module with the layers that the build declares.

Usage: check_layers.py SOURCE_DIR LAYERS_FILE
LAYERS_FILE is written by configure: one line "<module> <level> <dependency>…" per module.
"""
import pathlib
import re
import sys

source, layers = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
modules = {}
for line in layers.read_text().replace(";", " ").splitlines():
    name, level, *dependencies = line.split()
    modules[name] = (int(level), set(dependencies))

# A library's home: no header outside may include it.
HOMES = {
    r"boost/(asio|beast)": {"net"},
    r"nghttp2/": {"net"},
    r"curl/": {"net"},
    r"ares\.h": {"net"},
    r"yaml-cpp/": {"config"},
    r"simdjson": {"json"},
}


def module_of(path):
    parts = path.split("/")
    for length in range(len(parts) - 1, 0, -1):
        if "/".join(parts[:length]) in modules:
            return "/".join(parts[:length])
    return None


def reachable(name):
    seen, todo = set(), [name]
    while todo:
        for dependency in modules[todo.pop()][1]:
            if dependency not in seen:
                seen.add(dependency)
                todo.append(dependency)
    return seen


problems = []
files = [p for p in source.rglob("*") if p.suffix in (".h", ".cc")]
for file in sorted(files):
    path = file.relative_to(source).as_posix()
    owner = module_of(path)
    if owner is None:
        problems.append(f"{path}: belongs to no module that the build declares")
        continue
    is_test = path.endswith("_test.cc") or path.endswith("_benchmark.cc") or "/testing/" in path
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if found := re.match(r'\s*#include "([^"]+)"', line):
            target = module_of(found[1])
            if target is None or target == owner:
                if "/internal/" in found[1] and target != owner:
                    problems.append(f"{path}:{number}: {found[1]} is private")
                continue
            if "/internal/" in found[1]:
                problems.append(f"{path}:{number}: {found[1]} is private to {target}")
            if "/testing/" in found[1] and not is_test:
                problems.append(f"{path}:{number}: {found[1]} is for tests only")
            if not is_test and target not in reachable(owner):
                problems.append(f"{path}:{number}: {owner} includes {found[1]}, but its target does not name {target}")
            if not is_test and modules[target][0] >= modules[owner][0]:
                problems.append(f"{path}:{number}: {owner} (level {modules[owner][0]}) includes {target} (level {modules[target][0]})")
        if found := re.match(r"\s*#include <([^>]+)>", line):
            for pattern, homes in HOMES.items():
                if re.match(pattern, found[1]) and owner not in homes and not is_test:
                    problems.append(f"{path}:{number}: {found[1]} belongs into {', '.join(sorted(homes)) or 'apps'}")
for problem in problems:
    print(problem)
print(f"{len(files)} files in {len(modules)} modules, {len(problems)} problems")
sys.exit(1 if problems or not files else 0)
