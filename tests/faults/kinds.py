"""The faults that the fake server can have, each as a function: it strikes, and returns when all is well again."""
import contextlib
import json
import os
import time

from servers import wait_for

KINDS = {}
RV_TOO_LARGE = json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "Timeout: Too large resource version: 9, current: 7", "reason": "Timeout",
                           "details": {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}, "code": 504})
PAGE = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>The portal \x1b[2J says no.</body></html>\n"


class Kind:
    """lossless: whoever follows misses nothing. overload: a 429 or a 5xx, which is waited for, as long as it says or by the tries. weight:
    how often it is drawn beyond the once that each kind is."""

    def __init__(self, name, strike, lossless=False, overload=False, weight=1.0):
        self.name, self.strike, self.lossless, self.overload, self.weight = name, strike, lossless, overload, weight


def kind(name, **more):
    def add(strike):
        KINDS[name] = Kind(name, strike, **more)
        return strike
    return add


@contextlib.contextmanager
def met(cell, rng, least=1, **which):
    """A fault that is there until so many requests have met it, and for a moment longer: long enough for the lines behind which it strikes.
    Behind that it strikes no more, and no daemon waits because of it that the checks do not wait for."""
    with cell.server.fault(**which) as fault:
        yield fault
        wait_for(lambda: fault.acted() >= least, 8, 0.02)
        time.sleep(rng.choice([0, 0, rng.uniform(0, 1.5)]) + (0.3 if {"afterLines", "afterBytes"} & set(which) else 0))


def next_watch(name, *, lossless=False, overload=False, **which):
    """A fault of the next watches of events, which begin since the server ends the ones that run."""
    def strike(cell, rng):
        chosen = {k: v(rng) if callable(v) else v for k, v in which.items()}
        with met(cell, rng, verb="watch", resource="events", **chosen):
            cell.server.order("end")
        return chosen.get("retryAfter", 0)
    KINDS[name] = Kind(name, strike, lossless, overload)


def next_list(name, *, overload=False, **which):
    """A fault of the next list of events, which a watch that is refused with a 410 is followed by."""
    def strike(cell, rng):
        chosen = {k: v(rng) if callable(v) else v for k, v in which.items()}
        with met(cell, rng, verb="list", resource="events", **chosen), cell.server.fault("status", verb="watch", resource="events", code=410) as gone:
            cell.server.order("end")
            wait_for(lambda: gone.acted() >= len(cell.daemons), 8, 0.02)
            gone.remove()
        return chosen.get("retryAfter", 0)
    KINDS[name] = Kind(name, strike, False, overload)


def some_lines(rng):
    return rng.randrange(6)


def some_bytes(rng):
    return rng.randrange(1, 900)


def resource_line(kind_, object_):
    return f'{{"type":"{kind_}","object":{object_}}}\n'


next_watch("cut in a line", action="cut", afterLines=some_lines, afterBytes=some_bytes)
next_watch("end in a line", action="end", afterLines=some_lines, afterBytes=some_bytes)
next_watch("end between lines", action="end", afterLines=lambda rng: 1 + some_lines(rng), lossless=True)
next_watch("stall", action="stall", seconds=lambda rng: rng.uniform(0.5, 4), afterLines=some_lines, afterBytes=some_bytes, lossless=True)
next_watch("slow drip", action="drip", seconds=0.002, chunk=lambda rng: rng.randrange(20, 300), lossless=True)
next_watch("410 by status", action="status", code=410)
next_watch("410 in the stream", action="error", code=410, afterLines=some_lines)
next_watch("empty 200", action="empty")
next_watch("429 with Retry-After", action="status", code=429, retryAfter=lambda rng: rng.randrange(1, 4), lossless=True, overload=True)
next_watch("429 without Retry-After", action="status", code=429, lossless=True, overload=True)
next_watch("500 by status", action="status", code=500, overload=True)
next_watch("500 in the stream", action="error", code=500, afterLines=some_lines, overload=True)
next_watch("503 as text", action="status", code=503, body="upstream connect error or disconnect/reset before headers\n", overload=True)
next_watch("503 with Retry-After", action="status", code=503, body="no\n", retryAfter=lambda rng: rng.randrange(1, 4), overload=True)
next_watch("504 ResourceVersionTooLarge", action="status", code=504, body=RV_TOO_LARGE)
next_watch("garbage", action="garbage", afterLines=some_lines)
next_watch("a proxy's page", action="status", code=200, body=PAGE, type="text/html")
next_watch("wrong content type", action="type", body=lambda rng: rng.choice(["text/html", "application/octet-stream", "application/vnd.kubernetes.protobuf"]), lossless=True)
next_watch("a line that is no JSON", action="inject", body="}{ nonsense\n", afterLines=some_lines)
next_watch("lines of nothing", action="inject", body="\n\r\n\n", afterLines=some_lines, lossless=True)
next_watch("lines of unknown types", action="inject", afterLines=some_lines, lossless=True,
           body=resource_line("NOVEL", '{"kind":"Event","metadata":{"name":"x","namespace":"default"}}'))
next_watch("lines without an object", action="inject", afterLines=some_lines, body=resource_line("ADDED", "null") + resource_line("DELETED", "{}"))
# The first line is the one that came last: whatever else stands there is another history.
next_watch("a deletion of what is not there", action="inject", afterLines=lambda rng: 1 + some_lines(rng), lossless=True,
           body=resource_line("DELETED", '{"kind":"Event","apiVersion":"v1","metadata":{"name":"never","namespace":"nowhere"}}'))
next_watch("an oversized line", action="inject", afterLines=some_lines, body='{"type":"ADDED","object":{"x":"' + "x" * (17 << 20) + '"}}\n')
KINDS["an oversized line"].weight = 0.1
next_watch("401", action="status", code=401, lossless=True)
next_watch("404", action="status", code=404)
next_watch("no answer", action="close")
next_watch("TCP reset", action="reset")
next_watch("GOAWAY", action="goaway", afterLines=0)

next_list("list: cut in a chunk", action="cut", afterBytes=lambda rng: rng.randrange(1, 60000))
next_list("list: ends early", action="end", afterBytes=lambda rng: rng.randrange(1, 60000))
next_list("list: truncated gzip", action="end", afterBytes=lambda rng: rng.randrange(1, 5000), gzip=True)
next_list("list: garbage in gzip", action="garbage", afterBytes=lambda rng: rng.randrange(1, 5000), gzip=True)
next_list("list: slow drip", action="drip", chunk=2000, seconds=0.003)
next_list("list: stall", action="stall", seconds=lambda rng: rng.uniform(0.5, 3), afterBytes=lambda rng: rng.randrange(1, 60000))
next_list("list: empty 200", action="empty")
next_list("list: 429 with Retry-After", action="status", code=429, retryAfter=lambda rng: rng.randrange(1, 4), overload=True)
next_list("list: 500", action="status", code=500, overload=True)
next_list("list: a proxy's page", action="status", code=200, body=PAGE, type="text/html")
next_list("list: wrong kind", action="status", code=200, body='{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}')
next_list("list: a Status", action="status", code=200, body='{"kind":"Status","apiVersion":"v1","status":"Failure","code":500}')
next_list("list: no resourceVersion", action="rv", body="")


def newest(cell):
    """A line of the watch with an event that is there, as it is there."""
    with cell.changer.held():
        items = cell.items()
    return cell.rng.choice(items)


@kind("duplicated lines")
def duplicated(cell, rng):
    """Behind the first one, which is to be what came last."""
    item = {"kind": "Event", "apiVersion": "v1", **newest(cell)}
    with cell.changer.held(), met(cell, rng, action="inject", verb="watch", resource="events", body=2 * resource_line("MODIFIED", json.dumps(item)), afterLines=1):
        cell.server.order("end")
        wait_for(lambda: len(cell.server.watching()) >= len(cell.daemons), 5, 0.02)


@kind("lines out of order")
def out_of_order(cell, rng):
    """An older revision behind a newer one, as nothing but a broken server says it."""
    item = {"kind": "Event", "apiVersion": "v1", **newest(cell)}
    item["metadata"] = {**item["metadata"], "resourceVersion": "101"}
    item["message"] = "old"
    with met(cell, rng, action="inject", verb="watch", resource="events", body=resource_line("MODIFIED", json.dumps(item)), afterLines=2):
        cell.server.order("end")


@kind("connections dropped")
def dropped(cell, rng):
    cell.server.order("drop")


@kind("connection refused", weight=1.5)
def refused(cell, rng):
    cell.server.order("outage", seconds=0)
    time.sleep(rng.choice([0.1, 1, rng.uniform(0, 6)]))
    cell.server.order("recover")


@kind("TLS reset")
def tls_reset(cell, rng):
    cell.server.order("handshakes")
    time.sleep(rng.uniform(0.2, 3))
    cell.server.order("thaw")


@kind("watches end", lossless=True)
def watches_end(cell, rng):
    for _ in range(rng.randrange(1, 4)):
        cell.server.order("end")
        time.sleep(rng.uniform(0, 0.3))


@kind("compaction behind an outage")
def compaction(cell, rng):
    cell.server.order("outage", seconds=0)
    time.sleep(rng.uniform(0.2, 1))
    cell.server.order("compact")
    cell.server.order("recover")


@kind("compaction while a watch is refused", overload=True)
def compaction_429(cell, rng):
    with met(cell, rng, action="status", code=429, verb="watch", resource="events"):
        cell.server.order("end")
        time.sleep(rng.uniform(0.2, 1))
        cell.server.order("compact")


@kind("certificate of the server renewed")
def server_certificate(cell, rng):
    cell.server.order("rotate", what="server")
    cell.server.order("drop")


@kind("certificate authority changed")
def authority(cell, rng):
    seconds = rng.uniform(0, 3)
    cell.server.order("rotate", what="ca", seconds=seconds)
    cell.server.order("drop")
    time.sleep(seconds)


@kind("certificate of the client renewed")
def client_certificate(cell, rng):
    seconds = rng.uniform(0, 3)
    cell.server.order("rotate", what="client", seconds=seconds)
    cell.server.order("drop")
    time.sleep(seconds)


@kind("token renewed")
def token(cell, rng):
    """The old one is refused before the new one is in the file, or at the same time."""
    fresh = f"token-{rng.randrange(1 << 60)}"
    cell.server.order("config", tokens=[fresh])
    cell.server.order(rng.choice(["end", "drop"]))
    time.sleep(rng.choice([0, rng.uniform(0, 3)]))
    path = os.path.join(cell.server.directory, "token")
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(fresh)
    os.rename(path + ".new", path)


def another_history(cell, change):
    """The server has another state: what is written from now on builds on that."""
    with cell.changer.held():
        change()
        cell.changer.adopt((e["metadata"]["namespace"], e["metadata"]["name"]) for e in cell.items())


@kind("restored")
def restored(cell, rng):
    cell.server.order("save")
    time.sleep(rng.uniform(0.2, 1))
    another_history(cell, lambda: cell.server.order("restore"))


@kind("restored and ahead of us")
def restored_ahead(cell, rng):
    """Connections break, and when we come back, the new history is longer than ours."""
    cell.server.order("save")
    time.sleep(rng.uniform(0.2, 1))

    def change():
        cell.server.order("outage", seconds=0)
        cell.server.order("restore")
        cell.server.order("outage", seconds=0)
        cell.server.order("storm", changes=100, events=10, namespaces=1)
        cell.server.order("recover")
    another_history(cell, change)


@kind("replaced in peace", weight=2)
def replaced(cell, rng):
    """The watches end cleanly, and behind the same address is another history, which may be longer than ours."""
    cell.server.order("save")
    time.sleep(rng.uniform(0.2, 1))
    another_history(cell, lambda: cell.server.order("replace", changes=rng.choice([0, 100])))


@kind("restarted", weight=0.5)
def restarted(cell, rng):
    """kill -9, and another process under the same addresses: nothing is as it was."""
    another_history(cell, cell.restart)


@kind("one connection hangs", weight=0)
def hangs(cell, rng):
    """It takes what is sent, and says no more: only whoever asks can know. Those who come anew are served, so over HTTP/1.1, where each
    has one of its own, the ones that hang are not met by who asks: when the server should have ended the watch, it is over."""
    frozen = time.monotonic()
    cell.server.order("freeze")
    time.sleep(1)
    try:
        cell.wait_equal(60, frozen, daemons=[d for d in cell.daemons if d.name != "http1"])
    finally:
        cell.server.order("thaw")


@kind("clock step", weight=1.5)
def clock_step(cell, rng):
    """The daemon's own, far enough for all that counts hours, but within what certificates are valid."""
    cell.clock.set(rng.choice([-3000, -60, 60, 7200, 1 << 20]))
    if rng.random() < 0.5:
        cell.server.order(rng.choice(["end", "drop"]))
    time.sleep(rng.uniform(0, 1))
    cell.clock.set(0)
