"""Samples by remote write: just enough of protobuf and snappy to write them by hand."""

import struct
import urllib.error
import urllib.request

from harness import check, fetch

STALE_BITS = 0x7FF0000000000002


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def sample(t_ms, value):
    bits = struct.pack("<Q", STALE_BITS) if value == "stale" else struct.pack("<d", value)
    return field(2, b"\x09" + bits + b"\x10" + varint(t_ms))


def snappy(data):
    """The block format with nothing but literals."""
    out = bytearray(varint(len(data)))
    for begin in range(0, len(data), 65536):
        piece = data[begin:begin + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
    return bytes(out)


def encode(series):
    """`series`: labels (a dict) and samples (time in ms, number or "stale") of each."""
    body = bytearray()
    for labels, samples in series:
        pairs = b"".join(field(1, field(1, name.encode()) + field(2, value.encode()))
                         for name, value in sorted(labels.items()))
        body += field(1, pairs + b"".join(sample(t, v) for t, v in samples))
    return snappy(bytes(body))


def encode_2(series):
    """The same as a message of version 2; each may have a third item: type (a number), help and unit."""
    symbols, body = {"": 0}, bytearray()

    def number(text):
        return symbols.setdefault(text, len(symbols))

    for labels, samples, *metadata in series:
        refs = b"".join(varint(number(name)) + varint(number(value)) for name, value in sorted(labels.items()))
        kind, text, unit = metadata[0] if metadata else (0, "", "")
        about = (b"\x08" + varint(kind) + b"\x18" + varint(number(text)) + b"\x20" + varint(number(unit)))
        body += field(5, field(1, refs) + b"".join(sample(t, v) for t, v in samples) + field(5, about))
    return snappy(b"".join(field(4, symbol.encode()) for symbol in symbols) + bytes(body))


def write_2(port, series):
    """Status, text, and the numbers of samples, histograms and exemplars written."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/write", data=encode_2(series),
        headers={"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
                 "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "2.0.0"})
    try:
        response = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        written = [response.headers.get(f"X-Prometheus-Remote-Write-{what}-Written")
                   for what in ("Samples", "Histograms", "Exemplars")]
        return response.status, response.read().decode(), written


def write(port, series):
    headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
               "X-Prometheus-Remote-Write-Version": "0.1.0"}
    status, body = fetch(f"http://127.0.0.1:{port}/api/v1/write", encode(series), headers)
    check(status in (200, 204), f"remote write: {status} {body[:300]}")
