"""What /.kevfs/metrics says, read as strictly as Prometheus' own documentation of its text format 0.0.4 asks for it, and stricter."""
import re
import shutil
import subprocess

NAME = re.compile(r"kevfs_[a-z][a-z0-9_]*\Z")
SAMPLE = re.compile(r'([a-z_0-9]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)\Z')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"')
NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")


def parse(text):
    """{name: {labels as a sorted tuple of pairs: value}} of the samples; asserts that all is as it should be."""
    assert text.endswith("\n") and "\n\n" not in text
    families, samples, family = {}, {}, None
    lines = text[:-1].split("\n")
    while lines:
        line = lines.pop(0)
        if line.startswith("#"):
            _, word, family, help_ = line.split(" ", 3)
            assert word == "HELP" and NAME.match(family) and family not in families and help_ and help_[-1] in "." and "\\" not in help_, line
            families[family] = lines.pop(0).split(" ")
            assert families[family][:3] == ["#", "TYPE", family] and families[family][3] in ("gauge", "counter", "histogram") and len(families[family]) == 4
            continue
        match = SAMPLE.match(line)
        assert match, line
        name, labels, value = match[1], tuple(sorted(LABEL.findall(match[2] or ""))), match[3]
        kind = families[family][3]
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        assert name in [family + s for s in suffixes], f"{line} stands below {family}"
        assert (kind == "counter") == family.endswith("_total") and not (kind != "counter" and family.endswith("_count")), family
        assert NUMBER.match(value) and float(value) >= 0, line
        assert labels not in samples.setdefault(name, {}) and len(dict(labels)) == len(labels), line
        samples[name][labels] = float(value)
    for family, (_, _, _, kind) in families.items():
        if kind == "histogram":
            check_histogram(samples, family)
    return samples


def check_histogram(samples, family):
    buckets = {}
    for labels, value in samples[family + "_bucket"].items():
        rest = tuple(l for l in labels if l[0] != "le")
        buckets.setdefault(rest, []).append((float(dict(labels)["le"]), value))
    for rest, pairs in buckets.items():
        assert pairs == sorted(pairs) and [v for _, v in pairs] == sorted(v for _, v in pairs) and pairs[-1][0] == float("inf"), rest
        assert samples[family + "_count"][rest] == pairs[-1][1]
        assert bool(samples[family + "_sum"][rest]) == bool(pairs[-1][1])
    assert set(buckets) == set(samples[family + "_count"]) == set(samples[family + "_sum"])


def lint(text):
    """What Prometheus' own tool finds wrong; nothing where there is no such tool."""
    if not shutil.which("promtool"):
        return ""
    r = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, timeout=60, check=False)
    return (r.stdout + r.stderr).decode() if r.returncode or r.stdout + r.stderr else ""


def check(text):
    samples = parse(text)
    assert lint(text) == ""
    return samples


class Metrics:
    """The samples of a mount, as of now."""

    def __init__(self, m):
        with open(m.path(".kevfs/metrics"), encoding="utf-8") as f:
            self.text = f.read()
        self.samples = check(self.text)

    def get(self, name, **labels):
        return self.samples[name][tuple(sorted(labels.items()))]
