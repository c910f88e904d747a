"""A cell on the real control plane, and its faults."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import urllib.parse

from cell import Cell, Daemon
from changes import NAMESPACES, serial_of
from forward import Forward
from kinds import Kind
from servers import Real, segment, wait_for

REAL_KINDS = {}
KUBECONFIG = """apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {real.ca}}}}}]
users: [{{name: u, user: {{client-certificate: {real.cert}, client-key: {real.key}}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
"""


class Program:
    """A process of the control plane, which can be ended and started again."""

    def __init__(self, real, name):
        self.real, self.name = real, name
        self.pid_file = pathlib.Path(real.directory, "pid", name)
        self.command = pathlib.Path(f"/proc/{self.pid()}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")

    def pid(self):
        return int(self.pid_file.read_text(encoding="ascii"))

    def runs(self):
        try:
            state = pathlib.Path(f"/proc/{self.pid()}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
            # A zombie whose other threads are still there has its sockets.
            return state != "Z" or len(os.listdir(f"/proc/{self.pid()}/task")) > 1
        except OSError:
            return False

    def signal(self, number):
        os.kill(self.pid(), number)

    def end(self, number):
        """Ends it; how long it may take is its own affair."""
        self.signal(number)
        if not wait_for(lambda: not self.runs(), 30, 0.05):
            self.signal(signal.SIGKILL)
            wait_for(lambda: not self.runs(), 10, 0.05)

    def start(self):
        with open(f"{self.real.directory}/log/{self.name}", "ab") as log:
            process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.pid_file.write_text(f"{process.pid}\n", encoding="ascii")


class RealCell(Cell):
    """The daemon does not reach the server by itself, but through a Forward: so can be chosen who comes back first."""
    rate = 20

    def __init__(self, session, seed, name):
        super().__init__(session, seed, name)
        self.server = Real(session.new_directory("real"))
        self.stack.callback(self.server.close)
        self.notes = []
        self.etcd, self.apiserver = Program(self.server, "etcd"), Program(self.server, "kube-apiserver")
        self.forward = Forward(urllib.parse.urlsplit(self.server.url).port)
        self.stack.callback(self.forward.close)
        for namespace in NAMESPACES:
            self.server.namespace(namespace)

    def note(self, text):
        self.notes.append(text)

    def connect(self):
        path = os.path.join(self.server.directory, "forwarded")
        with open(path, "w", encoding="ascii") as f:
            f.write(KUBECONFIG.format(port=self.forward.port, real=self.server))
        self.daemons.append(Daemon(self, "real", path))

    def write(self, op, namespace, name, body):
        path = f"/api/v1/namespaces/{segment(namespace)}/events" + ("" if op == "create" else f"/{segment(name)}")
        method = {"create": "POST", "update": "PUT", "delete": "DELETE"}[op]
        status, _, answer = self.server.request(method, path, json.dumps(body).encode() if body else None)
        if status >= 500 or status == 429:
            raise OSError(answer[:200])
        return status < 300

    def items(self):
        return self.server.get("/api/v1/events")["items"]

    def come_back(self):
        assert wait_for(self.server.answers, 90, 0.1), "the API server does not come back"

    def down(self, number):
        self.apiserver.end(number)
        self.etcd.end(number)

    def up(self):
        self.etcd.start()
        self.apiserver.start()
        self.come_back()

    def revision(self):
        return int(self.server.get("/api/v1/events?limit=1")["metadata"]["resourceVersion"])

    def compact(self):
        """As the API server does every five minutes, by etcd's own gateway."""
        url = next(a.decode() for a in self.apiserver.command if a.startswith(b"http://127."))
        body = json.dumps({"revision": self.revision(), "physical": True}).encode()
        status, _, answer = self.server.request("POST", "/v3/kv/compaction", body, url=url)
        assert status == 200, answer


def kind(name, **more):
    def add(strike):
        REAL_KINDS[name] = Kind(name, strike, **more)
        return strike
    return add


def a_while(rng, most=4):
    time.sleep(rng.choice([0, rng.uniform(0, most)]))


@kind("API server: kill -9")
def kill_apiserver(cell, rng):
    cell.apiserver.end(signal.SIGKILL)
    a_while(rng)
    cell.apiserver.start()
    cell.come_back()


@kind("API server: restart")
def restart_apiserver(cell, rng):
    cell.apiserver.end(signal.SIGTERM)
    a_while(rng)
    cell.apiserver.start()
    cell.come_back()


@kind("etcd: kill -9", overload=True)
def kill_etcd(cell, rng):
    cell.etcd.end(signal.SIGKILL)
    a_while(rng)
    cell.etcd.start()
    cell.come_back()


@kind("etcd: restart", overload=True)
def restart_etcd(cell, rng):
    cell.etcd.end(signal.SIGTERM)
    a_while(rng)
    cell.etcd.start()
    cell.come_back()


@kind("etcd and API server: kill -9")
def kill_both(cell, rng):
    cell.down(signal.SIGKILL)
    a_while(rng)
    cell.up()


@kind("compaction behind a kill -9")
def compaction(cell, rng):
    cell.forward.close()
    time.sleep(rng.uniform(0.5, 2))
    cell.compact()
    cell.forward.open()


@kind("compaction behind a restart")
def compaction_in_peace(cell, rng):
    """The watch ends cleanly, and what it would go on from is gone."""
    cell.apiserver.end(signal.SIGTERM)
    cell.forward.close()
    cell.apiserver.start()
    cell.come_back()
    time.sleep(1)
    cell.compact()
    cell.forward.open()


def restore(cell, rng, number, ahead):
    """etcd goes back to a copy of a moment ago, as its manual says: while no API server runs."""
    data = pathlib.Path(cell.server.directory, "etcd")
    copy = data.with_name("etcd.copy")
    with cell.changer.held():
        cell.down(signal.SIGKILL)
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(data, copy)
        cell.up()
    # From here on is what will be undone.
    assert wait_for(lambda: not cell.daemons[0].status()["stale"], 30, 0.1)
    before = cell.changer.serial
    assert wait_for(lambda: cell.changer.serial > before + 20, 30)
    with cell.changer.held():
        last = cell.revision()
        cell.apiserver.end(number)
        cell.forward.close()
        cell.etcd.end(signal.SIGKILL)
        shutil.rmtree(data)
        copy.rename(data)
        cell.up()
        assert not any((serial_of(e.get("message", "")) or 0) > before for e in cell.items()), "nothing was undone"
        cell.changer.adopt((e["metadata"]["namespace"], e["metadata"]["name"]) for e in cell.items())
        while ahead and cell.revision() <= last + 50:
            cell.changer.one()
        cell.forward.open()


@kind("restored")
def restored(cell, rng):
    restore(cell, rng, signal.SIGKILL, False)


@kind("restored and ahead of us")
def restored_ahead(cell, rng):
    restore(cell, rng, signal.SIGKILL, True)


@kind("restored in peace")
def restored_in_peace(cell, rng):
    """The API server ends its watches before it goes."""
    restore(cell, rng, signal.SIGTERM, False)


@kind("restored in peace and ahead of us")
def restored_in_peace_ahead(cell, rng):
    restore(cell, rng, signal.SIGTERM, True)


def noticed(cell, since, what):
    """Within a minute it is known that nothing more comes."""
    if not wait_for(lambda: cell.daemons[0].status()["stale"], 65, 0.1) or time.monotonic() - since > 60:
        cell.note(f"{what} was not noticed within {time.monotonic() - since:.0f} s")


@kind("API server: SIGSTOP for a minute")
def stop_apiserver(cell, rng):
    with contextlib.ExitStack() as stack:
        stack.enter_context(cell.changer.held())  # nobody could write
        since = time.monotonic()
        cell.apiserver.signal(signal.SIGSTOP)
        stack.callback(lambda: cell.apiserver.signal(signal.SIGCONT))
        noticed(cell, since, "that the API server hangs")
        time.sleep(max(0, 60 - (time.monotonic() - since)))
    cell.come_back()


@kind("etcd: SIGSTOP", overload=True)
def stop_etcd(cell, rng):
    with cell.changer.held():
        cell.etcd.signal(signal.SIGSTOP)
        time.sleep(rng.uniform(1, 15))
        cell.etcd.signal(signal.SIGCONT)
    cell.come_back()


@kind("the network hangs")
def network_hangs(cell, rng):
    """Bytes are acknowledged and go nowhere."""
    since = time.monotonic()
    cell.forward.flowing.clear()
    noticed(cell, since, "that the network hangs")
    cell.forward.flowing.set()
    cell.forward.cut()


@kind("the network is cut")
def network_cut(cell, rng):
    cell.forward.close()
    a_while(rng, 8)
    cell.forward.open()
