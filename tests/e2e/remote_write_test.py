#!/usr/bin/env python3
"""What our server makes of remote write, of both versions, in bytes put together by hand."""

import time

import remote_write
from harness import Api, check, fetch, free_ports, main

RECEIVER = "--web.enable-remote-write-receiver"
VERSION_2 = {"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}
FLAG = "--web.remote-write-receiver.accepted-protobuf-messages"


def start(world, *flags, folder="data"):
    port, = free_ports(1)
    world.narthex_server(port, world.write("prometheus.yml", "scrape_configs: []\n"), folder, RECEIVER, *flags)
    return port


def version_2_is_taken_in_part(world):
    """What is good is stored and counted, the rest is named."""
    port, now = start(world), int(time.time() * 1000)
    up = {"__name__": "up", "job": "a"}
    first = remote_write.write_2(port, [(up, [(now - 2000, 1)], (2, "Whether it answers.", ""))])
    check(first == (204, "", ["1", "0", "0"]), f"a good request: {first}")
    status, text, written = remote_write.write_2(port, [
        (up, [(now - 3000, 1), (now - 2000, 2), (now - 1000, 3)]),
        ({"job": "b"}, [(now, 1)]),
        ({"__name__": "future"}, [(now + 3_600_000, 1)]),
        ({"__name__": "fine"}, [(now, 4)])])
    check((status, written) == (400, ["2", "0", "0"]), f"a request that is good in part: {status} {written} {text}")
    said = [line.split(",")[0] for line in text.splitlines()]
    check(said == ['out of order sample: series up{job="a"}', 'duplicate sample for timestamp: series up{job="a"}',
                   "invalid metric name or labels", "out of bounds: series future"], f"each refusal is named: {text}")
    api = Api(port)
    check(api.value("sum(count_over_time(up[1m]))", now / 1000) == 2, "two samples of `up`")
    check(api.value("fine", now / 1000) == 4, "what stood behind the refused ones")
    check(api.get("metadata")["up"] == [{"type": "gauge", "help": "Whether it answers.", "unit": ""}], "metadata")
    _, page = fetch(f"http://127.0.0.1:{port}/metrics")
    for line in ("narthex_remote_write_requests_partial_total 1", "prometheus_api_remote_write_samples_total 3",
                 "prometheus_api_remote_write_invalid_labels_samples_total 1",
                 "prometheus_api_remote_write_without_metadata_appended_samples_total 2"):
        check(f"\n{line}\n" in page, f"{line} is missing")


def both_versions_are_one_database(world):
    """The same samples in both give the same answers."""
    port, now = start(world), int(time.time() * 1000)
    world_of = lambda kind: [({"__name__": "m", "kind": kind, "i": str(i)},
                              [(now - 60_000 + 1000 * k, i + k) for k in range(50)]) for i in range(200)]
    remote_write.write(port, world_of("one"))
    status, text, written = remote_write.write_2(port, world_of("two"))
    check((status, written) == (204, [str(50 * 200), "0", "0"]), f"version 2: {status} {text} {written}")
    api = Api(port)
    ask = lambda kind: api.vector(f'sum without (kind) (rate(m{{kind="{kind}"}}[1m]))', now / 1000)
    check(len(ask("one")) == 200 and ask("one") == ask("two"), "both versions give the same")


def messages_may_be_chosen(world):
    """A message that is not accepted is refused as a media type, and so is what is none."""
    port = start(world, f"{FLAG}=prometheus.WriteRequest")
    url = f"http://127.0.0.1:{port}/api/v1/write"
    body = remote_write.encode([])
    check(fetch(url, body, VERSION_2)[0] == 415, "version 2 is not accepted")
    check(fetch(url, body, {"Content-Type": "application/x-protobuf"})[0] == 204, "version 1 is")
    check(fetch(url, body, {"Content-Type": "text/plain"})[0] == 415, "text is not")
    both = start(world, folder="both")
    check(fetch(f"http://127.0.0.1:{both}/api/v1/write", body, VERSION_2)[0] == 204, "by default both are")


if __name__ == "__main__":
    main({"version_2_is_taken_in_part": version_2_is_taken_in_part,
          "both_versions_are_one_database": both_versions_are_one_database,
          "messages_may_be_chosen": messages_may_be_chosen})
