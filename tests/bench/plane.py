"""The real control plane, as little of it as serves Events: etcd and an API server (tests/cluster), without what writes some itself."""
import contextlib
import http.client
import os
import pathlib
import signal
import subprocess
import time

from common import COMMAND_SECONDS, END_SECONDS, TESTS, Failed, Skipped, cpu_seconds, forget_peak, memory
from servers import CLUSTER, CLUSTER_PROGRAMS, Server, run, wait_for

NAMESPACES, EVENTS_OF_A_POD = 20, 5

# Continue tokens are used in all rounds, so nothing may be compacted away; and nothing may expire.
SETTINGS = {"NODES": "0", "TTL": "24h0m0s", "APISERVER_ARGS": "--etcd-compaction-interval=0"}

# Starts it, and ends it when standard input does: also when whoever started this was killed, and not before all of it was started.
KEEPER = 'trap : TERM; "$0" "$2" "$3" >&2 && echo up; read -r _; exec "$1" "$3"'


class Plane(Server):
    name = "real"

    def __init__(self, directory, stack):
        super().__init__()
        missing = [p for p in CLUSTER_PROGRAMS if not (CLUSTER / p).exists()]
        if missing:
            raise Skipped(f"{CLUSTER} lacks {', '.join(missing)} (tests/cluster/build makes them)")
        self.directory = str(directory)
        directory.mkdir()
        self.kubeconfig = f"{directory}/kubeconfig"
        self.ca, self.cert, self.key = (f"{directory}/pki/{f}" for f in ("ca.crt", "admin.crt", "admin.key"))
        self.keeper = self.respawned = None
        stack.callback(self.close)
        log = directory / "up.log"
        with open(log, "wb") as err:
            self.keeper = subprocess.Popen(["sh", "-c", KEEPER, TESTS / "cluster/up", TESTS / "cluster/down", CLUSTER, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err,
                                           start_new_session=True, env={**os.environ, **SETTINGS})
        if self.keeper.stdout.readline() != b"up\n":
            raise Failed(f"the control plane does not start: {log.read_text(errors='replace')[-500:]}")
        self.url = f"https://127.0.0.1:{(directory / 'port').read_text().strip()}"
        for idle in ("kube-controller-manager", "kube-scheduler"):
            os.kill(self.pid(idle), signal.SIGTERM)

    def close(self):
        if self.keeper:
            self.keeper.stdin.close()
            self.keeper.wait(END_SECONDS)
        if self.respawned:
            self.respawned.wait(60)

    def pid(self, component):
        return int(pathlib.Path(self.directory, "pid", component).read_text())

    def flood(self, count):
        """So many events more."""
        run(CLUSTER / "flood", "-n", count, "-namespaces", NAMESPACES, "-pods", max(1, count // NAMESPACES // EVENTS_OF_A_POD), timeout=COMMAND_SECONDS,
            env={**os.environ, "KUBECONFIG": self.kubeconfig})

    def answers(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request("GET", "/readyz")[0] == 200
        return False

    def refresh(self):
        """An API server that remembers nothing, and is at rest."""
        pid = self.pid("kube-apiserver")
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        os.kill(pid, signal.SIGKILL)
        if self.respawned:
            self.respawned.wait(60)
        if not wait_for(lambda: not self.answers(), 10):
            raise Failed("the API server does not end")
        with open(f"{self.directory}/log/kube-apiserver", "ab") as log:
            self.respawned = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        pathlib.Path(self.directory, "pid/kube-apiserver").write_text(f"{self.respawned.pid}\n")
        if not wait_for(self.answers, 120, 0.1):
            raise Failed("the API server does not come back")
        self.rest()

    def rest(self, seconds=30):
        """Until it does nothing of its own any more, or for so long."""
        pid, end = self.pid("kube-apiserver"), time.monotonic() + seconds
        while time.monotonic() < end:
            before = cpu_seconds(pid)
            time.sleep(0.5)
            if cpu_seconds(pid) - before < 0.02:
                return

    @contextlib.contextmanager
    def usage(self):
        """{"cpu", "etcd_cpu" (seconds), "peak" (bytes over what it had)}: what the server does meanwhile."""
        api, etcd = self.pid("kube-apiserver"), self.pid("etcd")
        had, used = memory(api, "VmRSS"), {}
        before = cpu_seconds(api), cpu_seconds(etcd)
        forget_peak(api)
        yield used
        used.update(cpu=cpu_seconds(api) - before[0], etcd_cpu=cpu_seconds(etcd) - before[1], peak=memory(api, "VmHWM") - had)
