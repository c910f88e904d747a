"""The two API servers that the tests run on: the fake one of tests/fake, and a real control plane (tests/cluster).

Both are a Server, with the same methods. What only the fake can do (faults, raw objects, storms) has methods of its own.
"""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import ssl
import subprocess
import threading
import time
import urllib.parse

TESTS = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "kevfs"
CLUSTER = pathlib.Path(os.environ.get("KEVFS_CLUSTER") or CACHE / "cluster")
CLUSTER_PROGRAMS = ["etcd", "flood", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet"]
TIMEOUT = 60


class Unavailable(Exception):
    """Why a server cannot be had here; the tests that need it are skipped with these words."""


def run(*command, check=True, timeout=TIMEOUT, **keywords):
    """subprocess.run with the output taken, and told where it fails."""
    r = subprocess.run([str(c) for c in command], capture_output=True, timeout=timeout, stdin=keywords.pop("stdin", subprocess.DEVNULL) if "input" not in keywords else None, **keywords)
    if check and r.returncode:
        raise AssertionError(f"{' '.join(map(str, command))[:200]}: exit {r.returncode}: {(r.stderr or r.stdout)[-500:].decode(errors='replace')}")
    return r


def wait_for(condition, seconds=10, every=0.02):
    """The first true value of condition(), or its last value when the time is over. A file that is not there yet is waited for too."""
    end = time.monotonic() + seconds
    while True:
        try:
            value = condition()
        except FileNotFoundError:
            value = None
            if time.monotonic() > end:
                raise
        if value or time.monotonic() > end:
            return value
        time.sleep(every)


def build_fake():
    """The fake server's binary, built once for each state of its source."""
    source = TESTS / "fake"
    newest = max(p.stat().st_mtime_ns for p in source.iterdir())
    out = CACHE / "fake" / f"fake-{newest:x}"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(f"{out.name}.{os.getpid()}")
        r = run(TESTS.parent / "scripts/go", "build", "-buildvcs=false", "-o", part, ".", cwd=source, check=False, timeout=600, env={**os.environ, "CGO_ENABLED": "0"})
        said = r.stderr.decode(errors="replace")
        if r.returncode == 77:
            raise Unavailable(said.strip())
        assert r.returncode == 0, f"tests/fake does not build:\n{said}"
        part.rename(out)
        for old in out.parent.iterdir():  # another checkout's may be in use
            with contextlib.suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > 86400:
                    old.unlink()
    return out


def find_kubectl():
    ours = CLUSTER / "kubectl"
    found = str(ours) if ours.exists() else shutil.which("kubectl")
    if not found:
        raise Unavailable(f"no kubectl, neither in {CLUSTER} nor in PATH")
    return found


def segment(name):
    return urllib.parse.quote(name.encode("utf-8", "surrogateescape"), safe="")


class Server:
    """What both servers can do. url, kubeconfig and directory (ca.crt, client.crt, client.key in it) are set by the heirs."""
    name = url = kubeconfig = directory = ca = cert = key = None

    def __init__(self):
        self.local = threading.local()

    # HTTP

    def connect(self, url=None):
        where = urllib.parse.urlsplit(url or self.url)
        if where.scheme == "http":
            return http.client.HTTPConnection(where.hostname, where.port, timeout=TIMEOUT)
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.cert, self.key)
        return http.client.HTTPSConnection(where.hostname, where.port, timeout=TIMEOUT, context=context)

    def request(self, method, path, body=None, headers=None, url=None):
        """(status, headers, body) of one request; connections are kept, one per thread and address."""
        pool = self.local.__dict__.setdefault("pool", {})
        for attempt in (1, 2):
            connection = pool.get(url) or self.connect(url)
            try:
                connection.request(method, path, body, {"User-Agent": "kevfs-tests", **({"Content-Type": "application/json"} if body is not None else {}), **(headers or {})})
                response = connection.getresponse()
                data = response.read()
            except (http.client.HTTPException, OSError):
                connection.close()
                if pool.pop(url, None) is None or attempt == 2:
                    raise
                continue
            pool[url] = connection
            return response.status, response.headers, data
        return None

    def get(self, path, **keywords):
        status, _, body = self.request("GET", path, **keywords)
        assert status == 200, f"GET {path}: {status} {body[:300]}"
        return json.loads(body)

    def stream(self, path, headers=None):
        """The lines of a watch, decoded, as they come; ends with the stream."""
        connection = self.connect()
        try:
            connection.request("GET", path, headers={"User-Agent": "kevfs-tests", **(headers or {})})
            response = connection.getresponse()
            assert response.status == 200, (response.status, response.read()[:300])
            for line in response:
                yield json.loads(line)
        finally:
            connection.close()

    # Objects. An event is a dict, or the bytes of one.

    def create(self, namespace, event):
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        status, _, answer = self.request("POST", f"/api/v1/namespaces/{segment(namespace)}/events", body)
        assert status in (200, 201), f"{body[:200]}: {status} {answer[:300]}"
        return json.loads(answer)

    def update(self, namespace, event):
        path = f"/api/v1/namespaces/{segment(namespace)}/events/{segment(event['metadata']['name'])}"
        status, _, answer = self.request("PUT", path, json.dumps(event).encode())
        assert status in (200, 201), f"{status} {answer[:300]}"
        return json.loads(answer)

    def delete(self, namespace, name, resource="events"):
        status, _, answer = self.request("DELETE", f"/api/v1/namespaces/{segment(namespace)}/{resource}/{segment(name)}")
        assert status == 200, f"{name}: {status} {answer[:300]}"

    def namespace(self, name):
        status, _, answer = self.request("POST", "/api/v1/namespaces", json.dumps({"metadata": {"name": name}}).encode())
        assert status in (200, 201, 409), f"{name}: {status} {answer[:300]}"
        return name

    def delete_namespace(self, name):
        status, _, answer = self.request("DELETE", f"/api/v1/namespaces/{segment(name)}")
        assert status == 200, f"{name}: {status} {answer[:300]}"

    def pod(self, namespace, name):
        body = {"metadata": {"name": name}, "spec": {"automountServiceAccountToken": False, "containers": [{"name": "c", "image": "registry.example/c:1"}]}}
        status, _, answer = self.request("POST", f"/api/v1/namespaces/{segment(namespace)}/pods", json.dumps(body).encode())
        assert status in (200, 201), f"{name}: {status} {answer[:300]}"

    def create_all(self, namespace, events):
        """Creates many; those that the server refuses are returned with its words."""
        refused = []

        def one(event):
            try:
                self.create(namespace, event)
            except AssertionError as e:
                refused.append((event, str(e)))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(one, events))
        return refused

    def events(self, query=""):
        """{(namespace, name): event} of the API's own list."""
        return {(e["metadata"]["namespace"], e["metadata"]["name"]): e for e in self.get("/api/v1/events" + query)["items"]}

    # kubectl, the oracle

    def kubectl(self, *arguments, check=True, timeout=TIMEOUT, **keywords):
        return run(find_kubectl(), "--kubeconfig", self.kubeconfig, "--request-timeout", "30s", "--cache-dir", f"{self.directory}/kubectl-cache", *arguments, check=check, timeout=timeout, **keywords)

    def oracle(self):
        """{(namespace, name): what `kubectl get event NAME -n NAMESPACE -o json` prints}, of all events with one call:
        the items of the list, eight columns to the left. (test_bytes checks this against single gets: only -0.0 differs, which
        kubectl prints as 0 in a list.)"""
        files, lines = {}, None
        for line in self.kubectl("get", "events", "-A", "-o", "json", "--chunk-size=0").stdout.split(b"\n"):
            if line == b"        {":
                lines = [b"{"]
            elif lines is not None and line in (b"        }", b"        },"):
                text = b"\n".join(lines) + b"\n}\n"
                meta = json.loads(text)["metadata"]
                files[meta["namespace"], meta["name"]] = text
                lines = None
            elif lines is not None:
                lines.append(line[8:])
        return files


class Fake(Server):
    """A process of tests/fake. It ends with this one, whatever happens: its standard input is a pipe from here."""
    name = "fake"

    def __init__(self, directory, *arguments, program=None):
        super().__init__()
        self.directory = str(directory)
        os.makedirs(self.directory, exist_ok=True)
        self.process = subprocess.Popen([program or build_fake(), "-stdin", "-dir", self.directory, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        said = dict(self.process.stdout.readline().decode().strip().split("=", 1) for _ in range(4))
        self.url, self.url1, self.plain, self.control = said["server"], said["server1"], said["plain"], said["control"]
        self.kubeconfig, self.ca, self.cert, self.key = (f"{self.directory}/{f}" for f in ("kubeconfig", "ca.crt", "client.crt", "client.key"))

    def close(self):
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def order(self, path, method="POST", **orders):
        """One request to the control port (tests/fake/control.go)."""
        status, _, body = self.request(method, "/" + path, json.dumps(orders).encode() if method == "POST" else None, url=self.control)
        answer = json.loads(body)
        assert status == 200, f"{path} {orders}: {answer}"
        return answer

    def bulk(self, operations):
        """Many writes at once: (op, resource, namespace, object as bytes or dict), or a name in place of the object to delete."""
        lines = []
        for op, resource, namespace, what in operations:
            head = json.dumps({"op": op, "resource": resource, "namespace": namespace}).encode()[:-1]
            if op == "delete":
                lines.append(head + b',"name":' + json.dumps(what).encode() + b"}")
            else:
                lines.append(head + b',"object":' + (what if isinstance(what, bytes) else json.dumps(what).encode()) + b"}")
        status, _, body = self.request("POST", "/bulk", b"\n".join(lines), url=self.control)
        assert status == 200, body
        return json.loads(body)

    def create_raw(self, namespace, body):
        """Creates an event of these bytes, even if they are no JSON where the server does not need to look."""
        status, _, answer = self.request("POST", f"/api/v1/namespaces/{segment(namespace)}/events", body, url=self.control)
        assert status == 201, answer

    def load(self, events, **more):
        return self.order("load", events=events, **more)

    @contextlib.contextmanager
    def fault(self, action, **which):
        """A fault (tests/fake/fault.go) that is there inside a with statement; its value tells how often it acted."""
        fault = self.order("faults", action=action, **which)
        self_ = FaultHandle(self, fault["id"])
        try:
            yield self_
        finally:
            self_.remove()

    def requests(self, **which):
        """The requests so far, oldest first, which have these values: verb="list", resource="events" …"""
        return [r for r in self.order("requests", "GET") if all(r[k] == v for k, v in which.items())]

    def watching(self, resource="events"):
        """The watches that are under way."""
        return [r for r in self.order("requests?open=1", "GET") if r["verb"] == "watch" and r["resource"] == resource and r["status"] == 200]


class FaultHandle:
    def __init__(self, server, number):
        self.server, self.number, self.there = server, number, True

    def acted(self):
        return next(f["acted"] for f in self.server.order("faults", "GET") if f["id"] == self.number)

    def remove(self):
        if self.there:
            self.there = False
            self.server.order(f"faults?id={self.number}", "DELETE")


class Real(Server):
    """The real control plane: etcd, API server, controllers, scheduler, a kubelet."""
    name = "real"

    def __init__(self, directory, ttl="1h0m0s", arguments=""):
        super().__init__()
        missing = [p for p in CLUSTER_PROGRAMS if not (CLUSTER / p).exists()]
        if missing:
            raise Unavailable(f"the real control plane is not built: {CLUSTER} lacks {', '.join(missing)} (tests/cluster/build {CLUSTER} makes them)")
        self.directory = str(directory)
        os.makedirs(self.directory + "/tmp", exist_ok=True)
        self.kubeconfig = self.directory + "/kubeconfig"
        self.ca, self.cert, self.key = (f"{self.directory}/pki/{f}" for f in ("ca.crt", "admin.crt", "admin.key"))
        try:
            run(TESTS / "cluster/up", CLUSTER, self.directory, timeout=120, env={**os.environ, "TMPDIR": self.directory + "/tmp", "TTL": ttl, "APISERVER_ARGS": arguments})
            self.url = f"https://127.0.0.1:{pathlib.Path(self.directory, 'port').read_text().strip()}"
            assert wait_for(lambda: b"node-1" in self.kubectl("get", "nodes", "-o", "name", check=False).stdout, 30, 0.3), "the kubelet does not register"
            assert wait_for(lambda: self.kubectl("get", "sa", "default", check=False).returncode == 0, 30, 0.3), "no default service account"
            self.kubectl("apply", "-f", TESTS / "cluster/workload.yaml")
        except BaseException:
            self.close()
            raise

    def flood(self, count, churn="0s"):
        out = run(CLUSTER / "flood", "-n", count, "-churn", churn, timeout=300, env={**os.environ, "KUBECONFIG": self.kubeconfig}).stdout.decode()
        assert "failed 0" in out, out
        return out

    def kill_apiserver(self):
        """SIGKILL; returns what starts it again and waits until it answers."""
        pid_file = pathlib.Path(self.directory, "pid/kube-apiserver")
        pid = int(pid_file.read_text())
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        os.kill(pid, signal.SIGKILL)
        assert wait_for(lambda: not self.answers(), 10)

        def again():
            with open(self.directory + "/log/kube-apiserver", "ab") as log:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            pid_file.write_text(f"{process.pid}\n")
            assert wait_for(self.answers, 60, 0.1), "the API server does not come back"
        return again

    def answers(self):
        try:
            return self.request("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def close(self):
        subprocess.run([TESTS / "cluster/down", self.directory], stdin=subprocess.DEVNULL, capture_output=True, timeout=90, check=False)
