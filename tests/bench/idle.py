"""Part idle: what kevfs takes where nothing happens: CPU, and bytes on the wire. And whether any FUSE operation asks the server: the tree is
read in all ways, and the fake server counts its requests."""
import contextlib
import subprocess
import time

from common import COMMAND_SECONDS, Failed, Figure, Panel, Requests, cpu_seconds, wait_watching
from sync import forwarded

CPU_BAR, NETWORK_BAR = 0.1, 0  # issue 7's, percent and requests

READ_ALL = "find . -type f | wc -l; ls -lR . | wc -l; tar c . | wc -c; du -a . | wc -l; df . | wc -l; cat */events.log .kevfs/status .kevfs/metrics | wc -c; ls */by-reason/*/ */by-type/*/ | wc -l; ls no-such-name 2>/dev/null"


def total(server):
    """Requests to the server so far, without those that a silent server gets every 20 s, whatever is done here (/livez; pulse.h)."""
    return sum(count for what, count in server.order("stats", "GET")["counts"].items() if not what.startswith("version"))


def rest(bench, server):
    """{"cpu": percent of one, "up" and "down": bytes a minute}"""
    settle, watch = (0.5, 2) if bench.options.quick else (5, 30)
    with forwarded(bench, server) as (kubeconfig, _, forward), bench.kevfs(kubeconfig) as daemon:
        wait_watching(server)
        time.sleep(settle)
        start, cpu, carried = time.monotonic(), cpu_seconds(daemon.pid), dict(forward.carried)
        time.sleep(watch)
        cpu, seconds = cpu_seconds(daemon.pid) - cpu, time.monotonic() - start
        return {"seconds": seconds, "cpu": cpu / seconds * 100, **{way: (forward.carried[way] - carried[way]) / seconds * 60 for way in carried}}


def read(bench, server):
    """{"operations": FUSE operations, "requests": what the server was asked meanwhile, "up": bytes to it}"""
    with forwarded(bench, server) as (kubeconfig, _, forward), bench.kevfs(kubeconfig, counting=True) as daemon:
        wait_watching(server)
        before, asked, up = bench.requests.now(), total(server), forward.carried["up"]
        if not asked:
            raise Failed("the fake server has counted no request of the first sync")
        r = subprocess.run(["sh", "-c", READ_ALL], cwd=daemon.directory, capture_output=True, timeout=COMMAND_SECONDS, env=bench.environment, check=False)
        if int(r.stdout.split()[0]) != bench.options.events:
            raise Failed(f"find finds {r.stdout.split()[0]} files, and there are {bench.options.events} events")
        return {"operations": sum(Requests.between(before, bench.requests.now()).values()), "requests": total(server) - asked, "up": forward.carried["up"] - up}


def measure(bench):
    with contextlib.ExitStack() as stack:
        server = bench.fake(bench.options.events, stack)
        return {"events": bench.options.events, "rest": rest(bench, server), "read": read(bench, server)}


def table(result):
    at_rest, reading = result["rest"], result["read"]
    yield f"with {result['events']} events, for {at_rest['seconds']:.0f} s: CPU {at_rest['cpu']:.4f} %; on the wire {at_rest['down']:.0f} bytes a minute from the server, {at_rest['up']:.0f} to it"
    yield f"{reading['operations']} FUSE operations, and {reading['requests']} requests to the server meanwhile ({reading['up']} bytes)"


def figures(result):
    yield Figure("idle CPU", result["rest"]["cpu"], CPU_BAR, "%")
    yield Figure("requests to the server by FUSE operations", result["read"]["requests"], NETWORK_BAR)


def panels(result):
    yield Panel("Idle", "% CPU", [("kevfs", result["rest"]["cpu"], True), ("the bar", CPU_BAR, False)])
