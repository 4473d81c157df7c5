#!/usr/bin/env python3
"""Every configuration key that a component of the collector asks for stands in docs/collector.md.

Usage: check_keys.py SOURCE_ROOT
"""
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
FOLDERS = ("receivers", "processors", "exporters", "extensions", "pipeline", "attributes", "translate")
FILES = ("config/tls.cc", "config/server.cc")
# Asked for by one call, and by a loop over names.
CALL = re.compile(r"\b(?:Read|ReadGoDuration|ReadDuration|ReadBytes|ReadTime|Take|TakeEvenNull)\(\s*(?:reader,\s*)?\"([a-z0-9_]+)\"")
LOOP = re.compile(r"for \(const (?:char\*|std::string_view) \w+ :\s*\{([^}]*)\}\)")
NAME = re.compile(r"\"([a-z0-9_]+)\"")

# Of the server's web configuration, which reads its TLS block beside the collector's.
ELSEWHERE = {"client_allowed_sans", "client_auth_type", "prefer_server_cipher_suites"}
# Words that a message is made of.
NO_KEYS = {"receiver", "exporter"}

documented = ELSEWHERE | NO_KEYS | set(re.findall(r"[a-z0-9_]+", " ".join(re.findall(r"`([^`]*)`", (root / "docs/collector.md").read_text()))))
sources = [root / "src" / name for name in FILES]
for folder in FOLDERS:
    sources += sorted((root / "src" / folder).rglob("*.cc"))
missing, seen = [], set()
for source in sources:
    if source.name.endswith(("_test.cc", "_benchmark.cc")) or "testing" in source.parts:
        continue
    text = source.read_text()
    keys = set(CALL.findall(text))
    for names in LOOP.findall(text):
        keys.update(NAME.findall(names))
    seen |= keys
    missing += [f"{source.relative_to(root)}: {key}" for key in sorted(keys - documented)]
for line in missing:
    print(f"{line} is not in docs/collector.md")
print(f"{len(seen)} keys, {len(missing)} problems")
sys.exit(1 if missing or not seen else 0)
