"""Part storm: the fake server changes Events as fast as it can, while a reader walks the whole tree again and again. The storm is over for kevfs
when its tree has each revision; then nothing may be missing, neither of what there is nor of what there was (the logs have a record a
revision)."""
import contextlib
import re
import subprocess
import time

from common import COMMAND_SECONDS, Failed, Figure, Panel, median, say, wait_watching

BAR, GOAL = 30000, 50000  # issue 7's, changes a second
PATIENCE = 3  # seconds without a record more

READER = 'while :; do grep -r -e "no such text" . >/dev/null 2>&1; echo; done'


class Reader:
    """Counts how often it has read all."""

    def __init__(self, directory, output, stack):
        self.output = output
        with open(output, "wb") as out:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "sh", "-c", READER], cwd=directory, stdin=subprocess.DEVNULL, stdout=out, start_new_session=True)
        stack.callback(self.end)

    def end(self):
        """Returns the number."""
        if self.process.poll() is None:
            subprocess.run(["kill", "--", f"-{self.process.pid}"], check=False)
            self.process.wait(60)
        return len(self.output.read_bytes())


def revisions(directory):
    """The resourceVersions that can be read."""
    r = subprocess.run(["grep", "-r", "-h", "-o", "-E", '"resourceVersion": "[0-9]+"', "."], cwd=directory, capture_output=True, timeout=COMMAND_SECONDS, check=True)
    return set(re.findall(rb"[0-9]+", r.stdout))


def there(server):
    """Those that there are."""
    status, _, body = server.request("GET", "/api/v1/events")
    if status != 200:
        raise Failed(f"the fake server does not list: {status}")
    # The list has one of its own.
    return set(re.findall(rb'"resourceVersion":"([0-9]+)"', body)[1:])


def catch_up(daemon, wanted, version):
    """Until the logs have so many records, and the watch is there; returns how many they have. Who does not go on, will not."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < PATIENCE:
        records = daemon.metric("kevfs_log_appended_total")
        if records >= wanted and int(daemon.status()["watches"]["events"]["each"][0]["resource_version"]) >= version:
            break
        if records != last:
            last, since = records, time.monotonic()
        time.sleep(0.01)
    return records


def weather(bench, server, changes):
    """One storm, on a mount of its own."""
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(bench.kevfs(server.kubeconfig))
        wait_watching(server)
        before, cpu = daemon.metric("kevfs_log_appended_total"), daemon.cpu_now()
        reader = Reader(daemon.directory, bench.work / "passes", stack)
        start = time.monotonic()
        done = server.order("storm", changes=changes, events=max(100, changes // 20), namespaces=20, pods=100)
        wanted = before + done["changes"] - done["deleted"]
        records = catch_up(daemon, wanted, done["rv"])
        seconds = time.monotonic() - start
        passes, cpu = reader.end(), daemon.cpu_now() - cpu
        lost = max(0, int(wanted - records)) + int(daemon.metric("kevfs_log_missing_total")) + len(there(server) ^ revisions(daemon.directory))
        return {"seconds": seconds, "rate": changes / seconds, "server_rate": changes / done["seconds"], "cpu": cpu, "passes": passes, "lost": lost, "resyncs": daemon.metric("kevfs_resyncs_total"),
                "relists": daemon.status()["watches"]["events"]["relists"], "peak": daemon.memory("VmHWM")}


def measure(bench):
    changes = 3 * bench.options.events
    with contextlib.ExitStack() as stack:
        # A watch that is late must not find its place compacted.
        server = bench.fake(bench.options.events, stack, "-history", str(4 * changes))
        rounds = []
        for number in range(bench.options.rounds):
            say(f"Round {number + 1} of {bench.options.rounds}")
            rounds.append(weather(bench, server, changes))
    return {"events": bench.options.events, "changes": changes, "rounds": rounds, "median": {what: median([r[what] for r in rounds]) for what in rounds[0]}, "lost": sum(r["lost"] for r in rounds)}


def table(result):
    m = result["median"]
    yield f"{result['changes']} changes, among {result['events']} events, with a reader that loops"
    yield f"{m['rate']:.0f} a second (the server alone makes {m['server_rate']:.0f}); {m['cpu'] / result['changes'] * 1e6:.1f} us CPU each; {m['passes']:.0f} passes of the reader meanwhile"
    yield f"lost: {result['lost']}; resyncs: {m['resyncs']:.0f}; relists: {m['relists']:.0f}"


def figures(result):
    yield Figure("changes a second, a reader looping", result["median"]["rate"], BAR, f"(goal {GOAL})", at_least=True)
    yield Figure("changes lost", result["lost"], 0)


def panels(result):
    yield Panel("Changes a second, with a reader that loops", "", [("kevfs", result["median"]["rate"], True), ("the server's own", result["median"]["server_rate"], False)])
