"""Part sync: the first sync from a server, the fake one and the real control plane, against whoever else takes all Events from it. What
it takes from the real server is measured too. Bytes on the wire are counted by runs of their own, through a forwarder.
"""
import contextlib
import pathlib
import re
import urllib.parse

from common import Figure, Panel, Skipped, median, mega, say, wait_watching
from forward import Forward
from peers import Listing, Peers
from plane import Plane

REAL_MAX = 100000  # flood writes some two thousand events a second

# Issue 7's.
CURL_BAR, KUBECTL_BAR, JSON_CPU_BAR, PROTOBUF_BAR = 1.15, 0.04, 0.3, 1.0
MEMORY_BAR, MEMORY_OF_INFORMER_BAR = 0.4, 0.15
SERVER_MEMORY_BAR, ETCD_BAR = 60, 1.5

PAGES, UNPAGED, KUBECTL, JSON, PROTOBUF = "curl, same pages", "curl, unpaged", "kubectl get", "informer, JSON", "informer, protobuf"


def asked_limit(bench, server):
    """How many events to a page kevfs asks for."""
    with bench.kevfs(server.kubeconfig):
        wait_watching(server)
        lists = server.requests(verb="list", resource="events")
    limits = [urllib.parse.parse_qs(urllib.parse.urlsplit(request["url"]).query).get("limit") for request in lists]
    return int(limits[0][0]) if limits and limits[0] else 0


@contextlib.contextmanager
def forwarded(bench, server):
    """(a kubeconfig and a URL which lead to server through a forwarder, and the forwarder)"""
    there = urllib.parse.urlsplit(server.url)
    forward = Forward(there.port)
    url = f"https://127.0.0.1:{forward.port}"
    kubeconfig = bench.work / "forwarded"
    kubeconfig.write_text(re.sub(rf"https://[^\s\"',}}]*:{there.port}\b", url, pathlib.Path(server.kubeconfig).read_text(encoding="utf-8")), encoding="utf-8")
    try:
        yield str(kubeconfig), url, forward
    finally:
        forward.close()


def count_bytes(bench, server, take):
    """{"up" and "down": bytes}, TLS included. It is the first run of each, so that the fake server has packed its pages by then, and
    programs have come from the disk."""
    with forwarded(bench, server) as (kubeconfig, url, forward):
        take(kubeconfig, url)
        return dict(forward.carried)


def time_rounds(bench, server, peers):
    """{name: {"wall", "cpu", "peak", and of a real server also "server cpu", "server etcd_cpu", "server peak": [one a round]}}"""
    real = server.name == "real"
    runs = {name: {} for name in peers.take}
    for number in range(bench.options.rounds):
        say(f"Round {number + 1} of {bench.options.rounds}")
        names = list(runs)
        for name in names[number % len(names):] + names[:number % len(names)]:
            if real and not bench.options.quick:
                server.refresh()
            with server.usage() if real else contextlib.nullcontext({}) as by_server:
                took = peers.take[name](server.kubeconfig, server.url)
            for what, value in {**took, **{f"server {what}": value for what, value in by_server.items()}}.items():
                runs[name].setdefault(what, []).append(value)
    return runs


def compare(bench, server, limit):
    """All that there is to say of a server and the events that it has."""
    listing = Listing(server, limit)
    say(f"{listing.events} events on the {server.name} server: counting bytes")
    peers = Peers(bench, server, listing)
    wire = {name: count_bytes(bench, server, take) for name, take in peers.take.items()}
    runs = time_rounds(bench, server, peers)
    return {"server": server.name, "events": listing.events, "json_bytes": listing.json_bytes, "limit": limit, "pages": len(listing.paths), "without": peers.without,
            "peers": {name: {"runs": taken, "median": {what: median(values) for what, values in taken.items()}, "wire": wire[name]} for name, taken in runs.items()}}


def on_fake(bench):
    with contextlib.ExitStack() as stack:
        server = bench.fake(bench.options.events, stack)
        limit = asked_limit(bench, server)
        return limit, compare(bench, server, limit)


def on_real(bench, limit):
    """At a fifth of the events, and at all of them."""
    most = min(bench.options.events, REAL_MAX)
    with contextlib.ExitStack() as stack:
        say("Starting the real control plane")
        server = Plane(bench.work / "plane", stack)
        there = 0
        for size in [most] if bench.options.quick else [most // 5, most]:
            say(f"Writing {size - there} events")
            server.flood(size - there)
            there = size
            yield compare(bench, server, limit)


def measure(bench):
    limit, fake = on_fake(bench)
    result = {"servers": [fake], "without": {}}
    try:
        result["servers"] += on_real(bench, limit)
    except Skipped as e:
        result["without"]["the real control plane"] = str(e)
    return result


def table(result):
    row = "{:20}{:>8}{:>8}{:>8}{:>9}{:>9}   {:7}{:>7}{:>7}   {:8}{:>7}{:>8}{:>7}"
    for one in result["servers"]:
        yield f"{one['events']} events ({mega(one['json_bytes'])} MB of compact JSON, {one['pages']} pages of {one['limit']}) from the {one['server']} server"
        yield row.format("", "wall s", "max s", "CPU s", "peak MB", "wire MB", "kevfs:", "wall x", "CPU x", "server:", "CPU s", "etcd s", "+MB").rstrip()
        kevfs = one["peers"]["kevfs"]["median"]
        for name, peer in one["peers"].items():
            m = peer["median"]
            server = [f"{m['server cpu']:.2f}", f"{m['server etcd_cpu']:.2f}", mega(m["server peak"])] if "server cpu" in m else ["-"] * 3
            yield row.format(name, f"{m['wall']:.3f}", f"{max(peer['runs']['wall']):.3f}", f"{m['cpu']:.3f}", mega(m["peak"]), f"{peer['wire']['down'] / 1e6:.2f}", "", f"{kevfs['wall'] / m['wall']:.2f}", f"{kevfs['cpu'] / m['cpu']:.2f}", "", *server)
        yield from (f"without {what}: {why}" for what, why in one["without"].items())
        yield ""
    yield from (f"without {what}: {why}" for what, why in result["without"].items())


def figures(result):
    for one in result["servers"]:
        where = f"first sync, {one['events']}, {one['server']}"
        middle = {name: peer["median"] for name, peer in one["peers"].items()}
        kevfs = middle["kevfs"]
        for name, what, bar in ((PAGES, "wall", CURL_BAR), (KUBECTL, "wall", KUBECTL_BAR), (JSON, "cpu", JSON_CPU_BAR), (PROTOBUF, "wall", PROTOBUF_BAR), (PROTOBUF, "cpu", PROTOBUF_BAR),
                                (JSON, "peak", MEMORY_OF_INFORMER_BAR)):
            # The fake server has its pages packed: to take them from it is no work.
            if name in middle and not (name == PAGES and one["server"] == "fake"):
                yield Figure(f"{where}: {what} vs {name}", kevfs[what] / middle[name][what], bar)
        yield Figure(f"{where}: peak memory per byte of JSON", kevfs["peak"] / one["json_bytes"], MEMORY_BAR)
        if "server peak" in kevfs:
            yield Figure(f"{where}: API server's peak over idle", kevfs["server peak"] / 1e6, SERVER_MEMORY_BAR, "MB")
            yield Figure(f"{where}: etcd CPU vs {UNPAGED}", kevfs["server etcd_cpu"] / middle[UNPAGED]["server etcd_cpu"], ETCD_BAR)


def panels(result):
    """Of the largest of what there is; real, if there is a real one."""
    one = result["servers"][-1]
    where = f"First sync of {one['events']:,} events, {one['server']} server"
    for what, title, unit, by in (("wall", "seconds", "s", 1), ("cpu", "CPU seconds", "s", 1), ("peak", "peak memory", "MB", 1e6)):
        yield Panel(f"{where}: {title}", unit, [(name, peer["median"][what] / by, name == "kevfs") for name, peer in one["peers"].items()])
