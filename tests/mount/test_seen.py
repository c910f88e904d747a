"""What a server says to a watch, or the network, and what is asked next: row by row what client-go's reflector does, and where we differ."""
import json
import time
import urllib.parse

import pytest

from events import event
from servers import wait_for

TOO_LARGE = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Timeout", "code": 504, "message": "Timeout: Too large resource version: 9, current: 7",
             "details": {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}}
GONE = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Gone", "code": 410, "message": "too old resource version: 1 (2)"}


def status(code, **more):
    return {"action": "status", "code": code, **more}


def line(document):
    return {"action": "inject", "body": json.dumps({"type": "ERROR", "object": document}) + "\n", "afterLines": 1}


# Seen: the fault, what is asked next, and how many seconds pass before, at least; or each of these that is right, with its seconds.
SEEN = {
    # The resourceVersion is too old, or of another history: list at once, without one.
    "410 Expired by status": (status(410), "list", 0),
    "410 Gone by status": (status(410, body=json.dumps(GONE)), "list", 0),
    "410 Expired in the stream": ({"action": "error", "code": 410}, "list", 0),
    "410 Gone in the stream": (line(GONE), "list", 0),
    "504 ResourceVersionTooLarge by status": (status(504, body=json.dumps(TOO_LARGE)), "list", 0),
    "504 ResourceVersionTooLarge in the stream": (line(TOO_LARGE), "list", 0),
    # Overload: wait, as long as it says; where only the watch was refused, go on with it.
    "429": (status(429), "watch", 0.7),
    "429 with Retry-After, as text": (status(429, retryAfter=3), "watch", 2.9),
    "503 with Retry-After, as text": (status(503, retryAfter=3, body="no\n"), "list", 2.9),
    "429 in the stream": (line({"kind": "Status", "status": "Failure", "reason": "TooManyRequests", "code": 429, "details": {"retryAfterSeconds": 3}}), "watch", 2.9),
    # No server, or none that is well: whoever answers next may have another history.
    "500 by status": (status(500), "list", 0.7),
    "500 in the stream": ({"action": "error", "code": 500}, "list", 0.7),
    "503 as text": (status(503, body="upstream connect error\n"), "list", 0.7),
    "504 Timeout": (status(504), "list", 0.7),
    "closed": ({"action": "close"}, "list", 0.7),
    # libcurl sends it again on a new connection where reading tells it of the reset, and the last line then tells of which server that
    # is; where writing does (7.88: "Send failure", or a stream "not closed cleanly"), it is broken off like any other.
    "reset before an answer": ({"action": "reset"}, {"watch": 0, "list": 0.7}, None),
    "cut in a line": ({"action": "cut", "afterBytes": 100}, "list", 0.7),
    # A clean end is none of this, but for one that comes at once: then the resourceVersion is too old, and nobody said so.
    "a clean end": ({"action": "end", "afterLines": 2}, "watch", 0),
    # (Where a busy machine lets it come later than that, it is one like any other.)
    "a clean end at once": ({"action": "empty"}, {"list": 0, "watch": 2}, 0),
    # The credential is refused, and there is no other: ask again, for the same.
    "401": (status(401), "watch", 0.7),
    # What makes no sense.
    "garbage": ({"action": "garbage"}, "list", 0.7),
    "a page of a proxy": (status(200, body="<html></html>\n", type="text/html"), "list", 0.7),
}


def query(request):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request["url"]).query))


def events_requests(fake):
    return [r for r in fake.requests(resource="events") if r["verb"] in ("list", "watch")]


def put(fake, name):
    """Creates an event; returns its resourceVersion."""
    return int(fake.create("default", event(name))["metadata"]["resourceVersion"])


@pytest.fixture
def watched(fake, mount):
    """A mount that has followed for longer than a watch that ends at once, and knows a line of it."""
    fake.create("default", event("first"))
    m = mount(fake)
    assert wait_for(fake.watching)
    fake.last = put(fake, "second")
    m.settle(fake)
    time.sleep(2.1)
    fake.mount = m
    return fake


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", SEEN)
def test_seen(watched, name):
    fault, then, earliest = SEEN[name]
    with watched.fault(verb="watch", resource="events", times=1, **fault) as f:
        watched.order("end")
        assert wait_for(lambda: f.acted())
        for i in range(3):
            put(watched, f"third-{i}")
        # Each overload waits longer than the one before, whichever of these tests brought that: at most 30 s.
        assert wait_for(lambda: any(r["start"] > struck(watched)["start"] for r in events_requests(watched)), 45)
    refused = struck(watched)
    after = next(r for r in events_requests(watched) if r["start"] > refused["start"])
    if isinstance(then, dict):
        then, earliest = next(((verb, wait) for verb, wait in then.items() if verb == after["verb"]), (None, 0))
    if name == "reset before an answer":
        assert after["conn"] != refused["conn"]
    assert after["verb"] == then
    assert after["start"] - refused["start"] >= earliest
    if then == "list":
        assert "resourceVersion" not in query(after)
    else:
        # From where the last line comes once more.
        assert watched.last - 1 <= int(query(after)["resourceVersion"]) <= watched.last + 3
    watched.mount.settle(watched, 20)


def struck(fake):
    return next(r for r in events_requests(fake) if r["fault"])


@pytest.mark.parametrize("how", ["refused", "TLS"])
def test_no_server(watched, how):
    """Then a list, without a resourceVersion."""
    count = len(events_requests(watched))
    watched.order(*{"refused": ("outage",), "TLS": ("handshakes",)}[how])
    time.sleep(1)
    watched.order({"refused": "recover", "TLS": "thaw"}[how])
    assert wait_for(lambda: len(events_requests(watched)) > count, 10)
    after = events_requests(watched)[count]
    assert after["verb"] == "list" and "resourceVersion" not in query(after)
    watched.mount.settle(watched, 20)


def test_bookmarks_of_events_are_no_place_to_begin(watched):
    """A line comes again, a bookmark does not."""
    watched.order("bookmark")
    known = {w["start"] for w in watched.watching()}
    watched.order("end")
    assert wait_for(lambda: [w for w in watched.watching() if w["start"] not in known])
    assert query(watched.watching()[-1])["resourceVersion"] == str(watched.last - 1)


def lists(fake):
    return [r for r in fake.requests(verb="list", resource="events") if r["agent"].startswith("kevfs")]


@pytest.mark.parametrize("changes", [0, 1, 100])
def test_replaced_in_peace(fake, mount, changes):
    """All watches end cleanly, and behind the same address is an older state of the server, which has gone on otherwise: what was
    written meanwhile is gone, and what the other one has is there. No request fails."""
    fake.load(50, namespaces=2)
    m = mount(fake, "log_level=info")
    m.settle(fake)
    fake.order("save")
    for i in range(5):
        put(fake, f"lost-{i}")
    m.settle(fake)
    time.sleep(2.1)
    fake.order("replace", changes=changes)
    m.settle(fake, 25)
    assert not any(b"lost-" in p for p in m.files())
    put(fake, "behind")
    m.settle(fake)
    why = "the server may be another one" if changes > 5 else "what came last does not come again"
    assert "broke off" not in m.said() and f"events: {why}" in m.said()


def test_the_same_server_again(fake, mount):
    """It leaves and comes back with all it had: nothing is listed, and nothing missed."""
    m = mount(fake)
    put(fake, "first")
    m.settle(fake)
    time.sleep(2.1)
    count = len(lists(fake))
    conns = {w["conn"] for w in fake.watching()}
    fake.order("replace", what="same")
    put(fake, "behind")
    m.settle(fake)
    assert len(lists(fake)) == count and not conns & {w["conn"] for w in fake.watching()}


@pytest.mark.timeout(120)
def test_a_connection_that_hangs(fake, mount):
    """It takes what is sent and says no more. Within a minute that is noticed, and what was missed is there."""
    m = mount(fake)
    put(fake, "first")
    m.settle(fake)
    fake.order("freeze")
    put(fake, "unseen")
    m.settle(fake, 60)
    assert any(r["url"].startswith("/livez") for r in fake.order("requests", "GET"))
    fake.order("thaw")


def test_silence_costs_next_to_nothing(fake, mount):
    """For as long as nothing comes, one request each twenty seconds, which is no request of etcd's."""
    m = mount(fake)
    put(fake, "first")
    m.settle(fake)
    time.sleep(1)
    before = len(fake.order("requests", "GET"))
    time.sleep(25)
    asked = fake.order("requests", "GET")[before:]
    assert [(r["method"], r["url"]) for r in asked] == [("GET", "/livez?exclude=etcd")]
    assert asked[0]["bytes"] <= 100
