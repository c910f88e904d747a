"""Part fresh: from the moment at which the fake server has written a line of a watch until what it says can be read through the mount, on an
idle mount: of Events that come, and of Events that change. Both take the time of the same clock. How long the line takes to a bare client of
the same watch says how idle the machine is."""
import contextlib
import subprocess
import sys
import time

from common import TESTS, Failed, Figure, Panel, wait_for, wait_watching

BAR_MS = 2  # issue 7's, of p99
NAMESPACE, PODS = "fresh", 10
PAUSE = 0.02  # seconds between two: the mount is idle


class Reader:
    """A process of its own (look.py), since it must not wait for this one."""

    def __init__(self, directory, stack):
        self.directory = directory
        self.process = stack.enter_context(subprocess.Popen([sys.executable, TESTS / "bench/look.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        stack.callback(self.process.kill)
        self.process.stdout.readline()  # it listens

    def expect(self, path, text):
        self.process.stdin.write(f"{self.directory / path}\t{text}\n")
        self.process.stdin.flush()

    def seen(self):
        """When it was there, in ns."""
        return int(self.process.stdout.readline())


class Listener:
    """As a Reader, but of the watch itself (hear.py)."""

    def __init__(self, url, stack):
        self.process = stack.enter_context(subprocess.Popen([sys.executable, TESTS / "bench/hear.py", url], stdout=subprocess.PIPE, text=True))
        stack.callback(self.process.kill)
        self.process.stdout.readline()  # it listens

    def expect(self, *_):
        pass

    def seen(self):
        return int(self.process.stdout.readline())


def event(name, pod):
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "involvedObject": {"kind": "Pod", "apiVersion": "v1", "namespace": NAMESPACE, "name": pod}, "reason": "BackOff", "type": "Warning",
            "message": "Back-off restarting failed container", "source": {"component": "kubelet", "host": "node-1"}, "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z", "count": 1}


def sent(server, version):
    """When the line of that resourceVersion had been written, in ns."""
    watch = wait_for(lambda: next((w for w in server.watching("events") if w["sentRV"] >= version), None), 10, 0.001)
    if not watch:
        raise Failed("the fake server does not send what was written")
    return watch["sentAt"]


def once(server, reader, path, text, write):
    """Seconds from the line to the reader."""
    reader.expect(path, text)
    time.sleep(PAUSE)
    version = int(write()["metadata"]["resourceVersion"])
    seen = reader.seen()
    if not seen:
        raise Failed(f"{path} never came to have {text}")
    return (seen - sent(server, version)) / 1e9


def sample(server, reader, number):
    """(seconds of an Event that comes, of one that changes)"""
    pod = f"web-{number % PODS}"
    one = event(f"{pod}.{number + 0x18eae00000000000:016x}", pod)
    path = f"{NAMESPACE}/pods/{pod}/events/{one['metadata']['name']}"
    came = once(server, reader, path, '"count": 1,', lambda: server.create(NAMESPACE, one))
    one["count"] = 2
    return came, once(server, reader, path, '"count": 2,', lambda: server.update(NAMESPACE, one))


def spread(seconds):
    """Of a list of them, in ms."""
    ordered = sorted(second * 1000 for second in seconds)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], "max": ordered[-1], "samples": len(ordered), "seconds": seconds}


def samples(bench, server, reader, first):
    """[(came, changed)], of Events from that number on."""
    return [sample(server, reader, first + number) for number in range(bench.options.rounds * (10 if bench.options.quick else 100))]


def measure(bench):
    with contextlib.ExitStack() as stack:
        server = bench.fake(bench.options.events, stack)
        server.namespace(NAMESPACE)
        for number in range(PODS):
            server.pod(NAMESPACE, f"web-{number}")
        with contextlib.ExitStack() as mounted:
            daemon = mounted.enter_context(bench.kevfs(server.kubeconfig))
            wait_watching(server)
            ours = samples(bench, server, Reader(daemon.directory, mounted), 0)
        version = server.get("/api/v1/namespaces?limit=1")["metadata"]["resourceVersion"]
        server.order("config", anonymous=True)
        bare = samples(bench, server, Listener(f"{server.plain}/api/v1/events?watch=1&resourceVersion={version}", stack), len(ours))
        return {"events": bench.options.events, "created": spread([came for came, _ in ours]), "updated": spread([changed for _, changed in ours]),
                "bare watch": spread([second for both in bare for second in both])}


KINDS = ("created", "updated", "bare watch")


def table(result):
    yield f"from the server's line to a reader, ms; of {result['created']['samples']} Events, one by one, among {result['events']}; and to a bare client of the watch"
    yield "{:12}{:>8}{:>8}{:>8}".format("", "p50", "p99", "max")
    for kind in KINDS:
        yield "{:12}{:8.2f}{:8.2f}{:8.2f}".format(kind, *(result[kind][what] for what in ("p50", "p99", "max")))


def figures(result):
    for kind in ("created", "updated"):
        yield Figure(f"server's line to reader, p99, {kind}", result[kind]["p99"], BAR_MS, "ms")


def panels(result):
    yield Panel("From the server's line to a reader", "ms", [(f"{kind}, {what}", result[kind][what], kind != "bare watch") for kind in KINDS for what in ("p50", "p99", "max")])
