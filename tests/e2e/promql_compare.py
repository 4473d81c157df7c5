"""Whether two answers of the query API say the same."""

import math

TOLERANCE = 1e-12


def same_value(a, b):
    x, y = float(a), float(b)
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y or abs(x - y) <= TOLERANCE * max(abs(x), abs(y))


def same_histogram(a, b):
    if len(a.get("buckets", [])) != len(b.get("buckets", [])):
        return False
    return all(map(same_value, (a["count"], a["sum"]), (b["count"], b["sum"]))) and \
        all(x[0] == y[0] and all(map(same_value, x[1:], y[1:])) for x, y in zip(a.get("buckets", []), b.get("buckets", [])))


def same_sample(a, b):
    if a[0] != b[0] or isinstance(a[1], dict) != isinstance(b[1], dict):
        return False
    return same_histogram(a[1], b[1]) if isinstance(a[1], dict) else same_value(a[1], b[1])


def same_samples(a, b):
    return len(a) == len(b) and all(map(same_sample, a, b))


def rows(data):
    """Labels to samples, numbers and histograms in order of time."""
    found = {}
    for row in data["result"]:
        labels = tuple(sorted(row["metric"].items()))
        assert labels not in found, f"labels twice: {labels}"
        samples = row.get("values", []) + row.get("histograms", [])
        samples += [row[kind] for kind in ("value", "histogram") if kind in row]
        found[labels] = sorted(samples, key=lambda sample: sample[0])
    return found


def ordered(query):
    """The answer of an instant query is a list and not only a set."""
    return query.startswith(("sort(", "sort_desc(", "topk(", "bottomk("))


def difference(query, ours, theirs):
    """None, or how the answers (status, JSON) differ."""
    if ours[0] != theirs[0]:
        return f"status {ours[0]} and {theirs[0]}: {ours[1].get('error')} | {theirs[1].get('error')}"
    if ours[0] != 200:
        a, b = ours[1].get("errorType"), theirs[1].get("errorType")
        return None if a == b else f"errorType {a} and {b}: {ours[1].get('error')} | {theirs[1].get('error')}"
    a, b = ours[1]["data"], theirs[1]["data"]
    if a["resultType"] != b["resultType"]:
        return f"type {a['resultType']} and {b['resultType']}"
    if a["resultType"] in ("scalar", "string"):
        same = same_samples([a["result"]], [b["result"]]) if a["resultType"] == "scalar" else a["result"] == b["result"]
        return None if same else f"{a['result']} and {b['result']}"
    found, wanted = rows(a), rows(b)
    if found.keys() != wanted.keys():
        return f"only ours {sorted(found.keys() - wanted.keys())[:3]}, only theirs {sorted(wanted.keys() - found.keys())[:3]}"
    for labels in found:
        if not same_samples(found[labels], wanted[labels]):
            pairs = [(x, y) for x, y in zip(found[labels], wanted[labels]) if not same_sample(x, y)]
            return f"{dict(labels)}: {len(found[labels])} and {len(wanted[labels])} samples, {pairs[:3]}"
    if a["resultType"] == "vector" and ordered(query):
        values = [[float(row["value"][1]) for row in answer["result"]] for answer in (a, b)]
        if not all(same_value(x, y) for x, y in zip(*values)):
            return f"order {values[0]} and {values[1]}"
    return None
