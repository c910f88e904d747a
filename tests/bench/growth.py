"""Part growth: what an event costs at a tenth, once, and ten times the events: CPU of the first sync, memory, a warm find. What an empty mount
takes is not the events' and does not count. And what a pod without events takes, of as many as the largest clusters have."""
import contextlib
import subprocess
import time

from common import COMMAND_SECONDS, NAMESPACES, Failed, Figure, Panel, median, say, wait_watching

BAR, POD_BAR = 1.15, 200  # issue 7's
PODS = 150000
COSTS = {"cpu": ("CPU of the first sync", "us", 1e6), "memory": ("memory", "bytes", 1), "find": ("warm find", "us", 1e6)}


def find(directory, wanted):
    """The seconds it takes."""
    start = time.monotonic()
    r = subprocess.run("find . -type f | wc -l", shell=True, cwd=directory, capture_output=True, timeout=COMMAND_SECONDS, check=True)
    seconds = time.monotonic() - start
    if int(r.stdout) != wanted:
        raise Failed(f"find finds {int(r.stdout)} files, and there are {wanted} events")
    return seconds


def once(bench, server, events):
    """A mount's {"cpu", "memory", "find"}, not by event."""
    with bench.kevfs(server.kubeconfig) as daemon:
        wait_watching(server)
        memory = daemon.memory("VmRSS")
        find(daemon.directory, events)
        return {"cpu": daemon.cpu, "memory": memory, "find": min(find(daemon.directory, events) for _ in range(3))}


def measure(bench):
    sizes = [max(1, bench.options.events // 10), bench.options.events, 10 * bench.options.events]
    pods = bench.options.events if bench.options.quick else PODS
    with contextlib.ExitStack() as stack:
        servers = {"empty": bench.fake(0, stack, pods=0), "pods": bench.fake(0, stack, pods=pods // NAMESPACES)}
        for size in sizes:
            say(f"Making {size} events")
            servers[size] = bench.fake(size, stack)
        runs = {name: [] for name in servers}
        for number in range(bench.options.rounds):
            say(f"Round {number + 1} of {bench.options.rounds}")
            for name, server in servers.items():
                runs[name].append(once(bench, server, name if name in sizes else 0))
    middle = {name: {what: median([r[what] for r in taken]) for what in COSTS} for name, taken in runs.items()}
    costs = {size: {what: (middle[size][what] - middle["empty"][what]) / size for what in COSTS} for size in sizes}
    return {"sizes": sizes, "runs": runs, "empty": middle["empty"], "each": costs, "ratio": {size: {what: costs[size][what] / costs[sizes[0]][what] for what in COSTS} for size in sizes},
            "pods": {"count": pods, "memory": (middle["pods"]["memory"] - middle["empty"]["memory"]) / pods}}


def table(result):
    yield "an event's, less an empty mount's" + "".join(f"{title + ', ' + unit:>28}{'x':>7}" for title, unit, _ in COSTS.values())
    for size in result["sizes"]:
        yield f"{size:>33}" + "".join(f"{result['each'][size][what] * by:28.2f}{result['ratio'][size][what]:7.2f}" for what, (_, _, by) in COSTS.items())
    yield f"an empty mount: CPU {result['empty']['cpu']:.3f} s, memory {result['empty']['memory'] / 1e6:.1f} MB; a pod, of {result['pods']['count']} without events: {result['pods']['memory']:.0f} bytes"


def figures(result):
    small, _, large = result["sizes"]
    for what, (title, _, _) in COSTS.items():
        yield Figure(f"{title}, an event at {large} vs {small}", result["ratio"][large][what], BAR)
    yield Figure(f"memory of a pod, of {result['pods']['count']}", result["pods"]["memory"], POD_BAR, "bytes")


def panels(result):
    for what, (title, unit, by) in COSTS.items():
        yield Panel(f"An event's {title}", unit, [(f"of {size:,}", result["each"][size][what] * by, True) for size in result["sizes"]])
