"""Seeded samples and queries on which Prometheus 2.42 and we have to agree.

What upstream changed after 2.42 is kept out of the way, one by one:

* Ranges and the look-back became open at the left (3.0, prometheus#13904; subqueries 3.0.1, #15431). Samples lie
  337 ms past full seconds, query and `@` times 500 ms past them, and ranges, offsets and steps are whole seconds:
  nothing is ever on an edge.
* The start of a counter is extrapolated by at most half a spacing (2.51, prometheus#13725). rate() and increase()
  are asked of counters that start, and start anew, far above their increments and at most at half of what
  they were, or are constant.
* `sum()` and `avg()` are compensated (2.54, prometheus#14074; 2.55, #14413). Raw values are multiples of 1/64,
  whose sums are exact; computed values are summed only where they have one sign.
* stddev() and stdvar() of a single infinity or NaN are NaN (3.0, prometheus#14941). They are not asked of the gauge
  that has such values.
* atan2 drops the metric name (2.47, commit 531567d). Its operands have none.
* Comparisons between vectors count matches that they drop (3.9, prometheus#17668): where a match group can have
  several members they have `bool`.
* count_values by more than one label over a range writes into the list of labels that all steps share: it is asked
  for at one time only.
* topk and bottomk keep others of equal values (2.45, prometheus#12190). They are asked for everything, or of values
  that all differ.
* The last bits of avg, avg_over_time and sum (as above), and those of exp, ln, log, powers and angles (Go's library
  and C's) differ. Nothing that makes a step out of them is asked: rounding, comparing, counting, differences.
* Any UTF-8 text is a label name (3.0, prometheus#14705): none that would have been wrong is written.
* A dot in a regular expression matches line ends (3.0, migration guide). No label value has one.
* `holt_winters` was renamed (3.0), other functions are new (mad_over_time, limitk, info, ...): not asked for.
* Parameters of aggregations may change from step to step (3.5, prometheus#16404), and NaN is no longer one of topk
  and bottomk (3.6, #16725): they are constants, and numbers.
* round() drops the metric name of histograms too (3.1, prometheus#15250), histogram_fraction knows classic ones
  (3.4), and annotations are new (2.47, #12152): neither asked for nor compared.
* Subqueries are evaluated up to the last step of a range, not to its end (3.13, prometheus#18081): ranges end with
  a step there. One without any step has no result even where `@` pins what is in it (commit 9084c52): steps are
  no longer than ranges.
* Durations are numbers, expressions stand in ranges, names are quoted (3.0 and later): none of these is written.
* Texts of errors: only status and type are compared.

One more is a difference of ours: timestamp() of a selector with both `offset` and `@` heeds both, where upstream, up to
3.14, passes over the offset. It is not asked for.
"""

import re

BEGIN_MS = 1_700_000_000_000
MINUTES = 60
SCRAPE_MS = 15_000


def series(random):
    """Labels and samples of every series."""
    all_series = []

    def times(gap_share=0.02):
        """Scrape times of one series, with holes; now and then a hole is long."""
        t = BEGIN_MS + 337 + 1000 * random.randrange(15)
        while t < BEGIN_MS + MINUTES * 60_000:
            if random.random() < gap_share:
                t += SCRAPE_MS * random.choice([1, 2, 5, 30])
            else:
                yield t
                t += SCRAPE_MS + 1000 * random.choice([0, 0, 0, 0, -1, 1])

    def with_stale_markers(samples, share=0.01):
        return [(t, "stale" if random.random() < share else v) for t, v in samples]

    def counter(labels, steps):
        value = float(1 << 30)
        samples = []
        for t in times():
            if random.random() < 0.02:
                value = value // 2
            value += random.choice(steps)
            samples.append((t, value))
        all_series.append((labels, with_stale_markers(samples)))

    def gauge(labels, values):
        all_series.append((labels, with_stale_markers([(t, values()) for t in times()])))

    for job in ("api", "db"):
        for instance in ("a:1", "b:1", "c:2"):
            gauge({"__name__": "up", "job": job, "instance": instance}, lambda: float(random.random() < 0.9))
            for code in ("200", "404", "500"):
                counter({"__name__": "requests_total", "job": job, "instance": instance, "code": code},
                        [0, 1, 2, 8, 1 / 64, 0.5])
            gauge({"__name__": "temperature", "job": job, "instance": instance},
                  lambda: random.choice([float("nan"), float("inf"), float("-inf"), 0.0, -1.5, 3.25,
                                         *[random.randrange(-640, 640) / 64 for _ in range(20)]]))
            gauge({"__name__": "memory_bytes", "job": job, "instance": instance},
                  lambda: float(random.randrange(1, 1 << 30)))
            buckets = ["0.1", "0.5", "1", "2.5", "+Inf"]
            counts = dict.fromkeys(buckets, 1024.0)
            rows = {le: [] for le in buckets}
            for t in times(0):
                slot = random.randrange(len(buckets))
                for le in buckets[slot:]:
                    counts[le] += random.randrange(1, 4)
                for le in buckets:
                    rows[le].append((t, counts[le]))
            for le in buckets:
                all_series.append(({"__name__": "latency_bucket", "job": job, "instance": instance, "le": le},
                                   rows[le]))
    # Histograms that are none: no +Inf, falling counts, bounds that are no numbers, equal bounds.
    for kind, bounds in {"no_inf": ["1", "2", "3"], "falling": ["1", "2", "+Inf"], "words": ["1", "two", "+Inf"],
                         "twice": ["1", "1.0", "2", "+Inf"], "lone": ["+Inf"], "negative": ["-1", "0", "+Inf"],
                         "none": [""]}.items():
        for position, le in enumerate(bounds):
            factor = (len(bounds) - position if kind == "falling" else position + 1)
            labels = {"__name__": "broken_bucket", "kind": kind, "le": le} if le else \
                {"__name__": "broken_bucket", "kind": kind}
            gauge(labels, lambda factor=factor: float(factor * 16))
    for odd in ("ü\u4e2d", "a\\b", 'a"b', "'", " ", "{}", "x" * 300, "-1", "1e3", "NaN"):
        gauge({"__name__": "odd", "label": odd, "number": str(len(odd))}, lambda: random.randrange(640) / 64)
    gauge({"__name__": "build_info", "job": "api", "version": "1"}, lambda: 1.0)
    gauge({"__name__": "build_info", "job": "db", "version": "2"}, lambda: 1.0)
    all_series.append(({"__name__": "lone_sample", "job": "api"}, [(BEGIN_MS + 20 * 60_000 + 337, 42.0)]))
    return all_series


class Generator:
    """Queries as text, most of them valid."""

    METRICS = ["requests_total", "temperature", "memory_bytes", "latency_bucket", "broken_bucket", "odd", "up",
               "build_info", "lone_sample", "nothing"]
    LABELS = ["job", "instance", "code", "le", "kind", "label", "number", "version"]
    MATCHERS = ['job="api"', 'job!="api"', 'instance=~"a.*|b.*"', 'code!~"5.."', 'code=~"2..|4.."', 'le="+Inf"',
                'kind=~".+"', 'label=~".*[ab].*"', 'nolabel=""', 'instance="a:1"', 'job=~"(api|db)"', 'version!=""']
    KEEPING = ["abs", "sqrt", "deg", "rad", "timestamp", "absent", "sort", "sort_desc"]
    STEPPING = ["ceil", "floor", "sgn", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "hour", "minute",
                "month", "year"]
    SOFT = ["exp", "ln", "log2", "log10", "atan", "asinh", "tanh"]
    COUNTERS = ["requests_total", "latency_bucket", "broken_bucket", "build_info", "lone_sample", "nothing"]
    OVER_RANGE = ["irate", "delta", "idelta", "deriv", "changes", "resets", "avg_over_time", "min_over_time",
                  "max_over_time", "sum_over_time", "count_over_time", "stddev_over_time", "stdvar_over_time",
                  "last_over_time", "present_over_time", "absent_over_time"]
    AGGREGATIONS = ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
    COMPARISONS = ["==", "!=", ">", "<", ">=", "<="]

    def __init__(self, random):
        self.random = random
        self.over_range = False

    def pick(self, choices):
        return self.random.choice(choices)

    def chance(self, share):
        return self.random.random() < share

    def duration(self):
        return self.pick(["15s", "30s", "1m", "90s", "5m", "10m", "20m"])

    def modifiers(self):
        text = ""
        if self.chance(0.1):
            text += f" offset {self.pick(['', '-'])}{self.pick(['15s', '1m', '7m'])}"
        if self.chance(0.08):
            at = f"{BEGIN_MS // 1000 + self.random.randrange(3600)}.5"
            text += f" @ {self.pick([at, 'start()', 'end()'])}"
        return text

    def selector(self, metric=None):
        metric = metric or self.pick(self.METRICS)
        matchers = self.random.sample(self.MATCHERS, self.pick([0, 0, 1, 1, 2]))
        if self.chance(0.05):
            return "{" + ",".join([f'__name__=~"{metric}.*"', *matchers]) + "}"
        return metric + ("{" + ",".join(matchers) + "}" if matchers else "")

    def range_vector(self, depth):
        if depth > 0 and self.chance(0.2):
            window = self.pick(["1m:", "1m:15s", "1m:30s", "5m:1m", "5m:2m", "10m:", "10m:30s", "10m:2m"])
            return f"({self.vector(depth - 1, True)})[{window}]{self.modifiers()}"
        return f"{self.selector()}[{self.duration()}]{self.modifiers()}"

    def number(self):
        return self.pick(["0", "1", "2", "-1", "0.5", "100", "1e3", "Inf", "NaN", "0x10", "3.25"])

    def scalar(self, depth, exact):
        kind = self.random.randrange(10)
        if kind < 6 or depth <= 0:
            return self.number()
        if kind == 6:
            return f"scalar({self.vector(depth - 1, exact)})"
        if kind == 7:
            return f"({self.scalar(depth - 1, True)} {self.pick('+-*/%')} {self.scalar(depth - 1, True)})"
        return self.pick(["time()", "pi()"])

    def labels(self):
        return ", ".join(self.random.sample(self.LABELS, self.pick([0, 1, 1, 2, 3])))

    def grouping(self):
        return f" {self.pick(['by', 'without'])} ({self.labels()}) " if self.chance(0.75) else ""

    def quantile(self):
        return self.pick(["0.5", "0.9", "0", "1", "0.99", "-1", "2", "NaN"])

    def matching(self):
        if self.chance(0.35):
            return ""
        text = f" {self.pick(['on', 'ignoring'])} ({self.labels()})"
        if self.chance(0.35):
            text += f" {self.pick(['group_left', 'group_right'])} ({self.pick(['', 'version', 'code'])})"
        return text

    def vector(self, depth, exact=False):
        """With `exact`, one whose values are the same to the last bit."""
        if depth <= 0:
            return self.selector() + self.modifiers()
        inner = depth - 1
        kind = self.random.randrange(20)
        if kind == 0:
            return f"{self.pick(['rate', 'increase'])}({self.selector(self.pick(self.COUNTERS))}" \
                   f"[{self.duration()}]{self.modifiers()})"
        if kind < 4:
            name = self.pick(self.OVER_RANGE)
            return f"{name}({self.range_vector(inner)})" if name != "avg_over_time" or not exact else self.selector()
        if kind < 8:
            return self.aggregation(inner, exact)
        if kind == 8:
            name = f"{self.pick(['topk', 'bottomk'])}{self.grouping()}"
            if self.chance(0.5):
                return f"{name}({self.pick(['0', '100'])}, {self.vector(inner, exact)})"
            return f"{name}({self.pick(['1', '2', '5'])}, {self.all_different()})"
        if kind == 9:
            return f"quantile{self.grouping()}({self.quantile()}, {self.vector(inner, exact)})"
        if kind == 10:
            grouping = "" if self.over_range else self.grouping()
            return f'count_values{grouping}("value", {self.selector()})'
        if kind == 11:
            return f"quantile_over_time({self.quantile()}, {self.range_vector(inner)})"
        if kind == 12 and not exact:
            bucket = self.pick(["latency_bucket", "broken_bucket"])
            buckets = self.pick([self.selector(bucket), f"rate({self.selector(bucket)}[5m])",
                                 f"sum by (le, job, kind) (rate({bucket}[5m]))"])
            return f"histogram_quantile({self.quantile()}, {buckets})"
        if kind == 13:
            names = self.pick([self.KEEPING, self.STEPPING] if exact else [self.KEEPING, self.STEPPING, self.SOFT])
            return f"{self.pick(names)}({self.vector(inner, exact or names is self.STEPPING)})"
        if kind == 14:
            return self.pick([
                f"clamp({self.vector(inner, exact)}, {self.number()}, {self.number()})",
                f"clamp_min({self.vector(inner, exact)}, {self.scalar(inner, exact)})",
                f"round({self.vector(inner, True)}, {self.pick(['0.5', '1', '10'])})",
                f"vector({self.scalar(inner, exact)})",
                f"predict_linear({self.selector()}[{self.pick(['5m', '10m'])}], 60)",
                f'label_replace({self.vector(inner, exact)}, "{self.pick(["new", "job", "__name__"])}", "$1-x", '
                f'"{self.pick(self.LABELS)}", "{self.pick(["(.*)", "(a|b).*", "", "2(..)"])}")',
                f'label_join({self.vector(inner, exact)}, "new", "-", "job", "{self.pick(self.LABELS)}")',
            ])
        if kind == 15:
            return f"-{self.vector(inner, exact)}" if self.chance(0.5) else f"({self.vector(inner, exact)})"
        if kind == 16:
            matching = self.pick(["", " on (job)", " ignoring (code)"])
            return f"{self.vector(inner, exact)} {self.pick(['and', 'or', 'unless'])}{matching} {self.vector(inner, exact)}"
        return self.binary(inner, exact)

    def aggregation(self, depth, exact):
        name = self.pick(["min", "max", "count", "group"] + ["sum", "avg", "stddev", "stdvar"] * (not exact))
        if name in ("min", "max", "count", "group"):
            return f"{name}{self.grouping()}({self.vector(depth, exact)})"
        metrics = [m for m in self.METRICS if m != "temperature" or name in ("sum", "avg")]
        summands = self.selector(self.pick(metrics)) + self.modifiers()
        if name in ("sum", "avg") and self.chance(0.5):
            function = self.pick(["rate", "increase", "irate", "avg_over_time", "max_over_time", "last_over_time"])
            positive = ["requests_total", "latency_bucket", "broken_bucket"]
            if function not in ("rate", "increase"):
                positive += ["memory_bytes", "up", "odd"]
            summands = f"{function}({self.selector(self.pick(positive))}[{self.duration()}])"
        return f"{name}{self.grouping()}({summands})"

    def all_different(self):
        memory = self.selector("memory_bytes")
        return self.pick([memory, f"-{memory}", f"{memory} / 3", f"deriv({memory}[10m])", f"delta({memory}[10m])",
                          f"sum by (job, instance) ({memory})", f"stddev_over_time({memory}[5m])"])

    def binary(self, depth, exact):
        operator = self.pick(["+", "-", "*", "/", "%", *self.COMPARISONS] + ["^", "atan2"] * (not exact))
        exact = exact or operator not in "*/"
        if operator == "atan2":
            matching = self.pick(["on (job, instance) ", ""])
            return f"((-{self.vector(depth, exact)}) atan2 {matching}(-{self.vector(depth, exact)}))"
        scalar_left, scalar_right = self.pick([(True, False), (False, True), (False, False), (False, False)])
        bool_ = " bool" if operator in self.COMPARISONS and self.chance(0.4) else ""
        matching = ""
        if not scalar_left and not scalar_right:
            matching = self.matching()
            if operator in self.COMPARISONS and matching:
                bool_ = " bool"
        left = self.scalar(depth, exact) if scalar_left else self.vector(depth, exact)
        right = self.scalar(depth, exact) if scalar_right else self.vector(depth, exact)
        return f"({left} {operator}{bool_}{matching} {right})"

    def mistake(self):
        """Texts and types that are wrong."""
        selector = self.selector()
        return self.pick([
            f"sum({selector}", f"{selector}[5m] + 1", f"rate({selector})", f"{selector} {selector}", "foo(1)", "{}",
            '{job=~".*"}', f"{selector}[5m", f"sum by ({selector})", f'label_replace({selector}, "a", "b", "c", "(")',
            f"{selector} and 1", "1 and 1", f"topk({selector})",
            f"{selector} + group_left {selector}", f"{selector}[5x]", f"{selector} offset", f"{selector} @ x", '"text" + 1',
            "1 +", "", "   ", f"abs({selector}, 1)", f'{selector}{{a="b"', f"{selector}[5m:1s", "\u00e4", "sum(1)",
            f"{selector} == bool", "1 == 1", f"-{selector}[5m]", f'absent("x")',
        ])

    def query(self):
        if self.chance(0.03):
            return self.mistake()
        if self.chance(0.03):
            return self.scalar(2, False)
        while re.search(r"timestamp\([^()]* offset \S+ @", text := self.vector(self.pick([1, 2, 2, 3, 3]))):
            pass
        return text

    def instant(self):
        self.over_range = False
        query = self.query()
        if self.chance(0.04):
            query = self.range_vector(1)
        return {"query": query, "time": f"{BEGIN_MS // 1000 + self.random.randrange(-300, 4000)}.5"}

    def range(self):
        self.over_range = True
        start = BEGIN_MS // 1000 + self.random.randrange(-300, 3600)
        step, seconds = self.pick([("15", 15), ("30s", 30), ("1m", 60), ("97", 97), ("5m", 300)])
        length = self.random.randrange(0, 1800)
        query = self.query()
        if re.search(r"\[\w+:", query):
            length -= length % seconds
        return {"query": query, "start": f"{start}.5", "end": f"{start + length}.5", "step": step}


class HistogramGenerator(Generator):
    """Queries over native histograms. What changed after 2.42 besides what is listed above:

    * Rates: 2.42 can have the newest histogram of a window in the place of the others (2.47, prometheus#12717), and
      extrapolates otherwise (3.0). None is asked for.
    * Quantiles and fractions interpolate exponentially within a bucket (3.0, prometheus#14677): not asked for.
    * The histograms of a range vector share memory in 2.42, so that their bytes can be those of another one: counted, but
      not shown. scalar() takes a histogram for a zero there: not asked for.
    * label_replace, label_join and last_over_time make numbers of histograms in 2.42: not asked for.
    * Histograms can be multiplied, compared and averaged (2.47 and later): only added here.
    * Aggregations of numbers and histograms together have no result where 2.42 took the one or the other: series of one
      form are added only.
    """

    METRICS = ["h", "h", "nothing"]
    LABELS = ["i", "none", "le"]
    MATCHERS = ['i="1"', 'i!="1"', 'i=~"0|2"', 'i!~"0|2"', 'none=""', 'i=~".+"']

    def histograms(self, depth):
        kind = self.random.randrange(8) if depth > 0 else 0
        if kind < 3:
            return self.selector("h") + self.modifiers()
        if kind < 6:
            return f"({self.histograms(depth - 1)} {self.pick(['and', 'unless', 'or'])} {self.histograms(depth - 1)})"
        if kind == 6:
            return f"({self.histograms(depth - 1)})"
        return f"sum{self.grouping()}({self.selector('h')}{self.modifiers()})"

    def vector(self, depth, exact=False):
        kind = self.random.randrange(8)
        if kind < 3:
            return self.histograms(depth)
        if kind < 5:
            return f"{self.pick(['histogram_count', 'histogram_sum'])}({self.histograms(depth)})"
        if kind == 5:
            return f"{self.pick(['count', 'group'])}{self.grouping()}({self.histograms(depth)})"
        if kind == 6:
            name = self.pick(["count_over_time", "present_over_time", "absent_over_time"])
            return f"{name}({self.selector('h')}[{self.duration()}]{self.modifiers()})"
        return f"{self.pick(['timestamp', 'absent'])}({self.selector('h')})"

    def query(self):
        return self.mistake() if self.chance(0.03) else self.vector(self.pick([1, 2, 2, 3]))

    def instant(self):
        return {"query": self.query(), "time": f"{BEGIN_MS // 1000 + self.random.randrange(-300, 4000)}.5"}
