#!/usr/bin/env python3
"""Compiles every header by itself: each includes what it uses.

Usage: check_headers.py SOURCE_DIR [GENERATED_DIR…]
"""
import concurrent.futures
import os
import pathlib
import subprocess
import sys

source = pathlib.Path(sys.argv[1])
generated = [f"-isystem{directory}" for directory in sys.argv[2:]]
headers = sorted(source.rglob("*.h"))


def check(header):
    command = ["g++", "-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
               "-Wno-missing-field-initializers",
               "-march=x86-64-v2" if os.uname().machine == "x86_64" else "-O0",
               f"-I{source}", *generated, "-x", "c++", "-include", str(header), "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True)
    return header, done.returncode, done.stderr


with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    bad = [(header, text) for header, code, text in pool.map(check, headers) if code != 0]
for header, text in bad:
    print(f"{header.relative_to(source)} does not compile by itself:\n{text}")
print(f"{len(headers)} headers, {len(bad)} problems")
sys.exit(1 if bad or not headers else 0)
