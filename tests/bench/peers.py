"""Who takes all Events from a server: kevfs, and what it is compared with. Each of them returns what it took, and is checked."""
import gzip
import json
import re
import subprocess

from common import Failed
from servers import CLUSTER, Unavailable, find_kubectl

# What kubectl prints, it holds in memory several times: 18 GB for a million.
KUBECTL_MAX = 200000

EVENTS = "/api/v1/events"


class Listing:
    """A server's list of all Events in pages of limit: where each page is, and how much it all is."""

    def __init__(self, server, limit):
        self.limit, self.paths, self.events, self.json_bytes = limit, [], 0, 0
        token = ""
        while token is not None:
            path = f"{EVENTS}?limit={limit}" + (f"&continue={token}" if token else "")
            status, headers, body = server.request("GET", path, headers={"Accept-Encoding": "gzip"})
            if status != 200:
                raise Failed(f"GET {path[:80]}: {status} {body[:200]!r}")
            page = json.loads(gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body)
            self.paths.append(path)
            self.events += len(page["items"])
            self.json_bytes += sum(map(compact_size, page["items"]))
            token = page["metadata"].get("continue") or None


def compact_size(event):
    """Of an Event's JSON, without what no file shows."""
    event["metadata"].pop("managedFields", None)
    return len(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode())


class Peers:
    """take[name](kubeconfig, url) -> {"wall", "cpu", "peak"} for each that can be had, without[name] -> why not."""

    def __init__(self, bench, server, listing):
        self.bench, self.server, self.listing = bench, server, listing
        self.take = {"kevfs": self.kevfs, "curl, same pages": self.curl_pages, "curl, unpaged": self.curl_unpaged}
        self.without = {}
        if listing.events > KUBECTL_MAX:
            self.without["kubectl get"] = f"too much memory for more than {KUBECTL_MAX} events"
        else:
            try:
                self.program = find_kubectl()
                self.take["kubectl get"] = self.kubectl
            except Unavailable as e:
                self.without["kubectl get"] = str(e)
        if (CLUSTER / "informer").exists():
            self.take["informer, JSON"] = self.informer
        else:
            self.without["informer"] = f"it is not in {CLUSTER} (tests/cluster/build makes it)"
        if (CLUSTER / "informer").exists() and server.name == "real":
            self.take["informer, protobuf"] = lambda kubeconfig, url: self.informer(kubeconfig, url, "-protobuf")

    def expect(self, name, got, wanted):
        if got != wanted:
            raise Failed(f"{name} got {got}, and the list has {wanted}")

    def kevfs(self, kubeconfig, _):
        with self.bench.kevfs(kubeconfig) as daemon:
            self.expect("kevfs", daemon.metric("kevfs_events"), self.listing.events)
            return {"wall": daemon.seconds, "cpu": daemon.cpu, "peak": daemon.peak}

    def curl(self, url, paths):
        """As bare as can be: what comes is thrown away as it is, packed. (The real server would print it prettily for curl.)"""
        config = self.bench.work / "curl"
        lines = ["silent", "show-error", "fail", "fail-early", f'cacert = "{self.server.ca}"', f'cert = "{self.server.cert}"', f'key = "{self.server.key}"', 'user-agent = "kevfs-bench"',
                 'header = "Accept-Encoding: gzip"', r'write-out = "%{http_code} %{num_connects}\n"']
        for path in paths:
            lines += [f'url = "{url}{path}"', 'output = "/dev/null"']
        config.write_text("\n".join(lines) + "\n")
        used, out = self.bench.usage("curl", "--disable", "--config", config, stdout=subprocess.PIPE)
        self.expect("curl", out.decode().split(), ["200", "1"] + ["200", "0"] * (len(paths) - 1))
        return used

    def curl_pages(self, _, url):
        return self.curl(url, self.listing.paths)

    def curl_unpaged(self, _, url):
        return self.curl(url, [EVENTS])

    def kubectl(self, kubeconfig, _):
        out = self.bench.work / "kubectl.json"
        with open(out, "wb") as f:
            used, _ = self.bench.usage(self.program, "--kubeconfig", kubeconfig, "get", "events", "-A", "-o", "json", stdout=f)
        with open(out, "rb") as f:
            self.expect("kubectl", sum(line == b'            "kind": "Event",\n' for line in f), self.listing.events)
        out.unlink()
        return used

    def informer(self, kubeconfig, _, *arguments):
        used, out = self.bench.usage(CLUSTER / "informer", *arguments, stdout=subprocess.PIPE, KUBECONFIG=kubeconfig)
        self.expect("the informer", int(re.search(rb": (\d+) events", out)[1]), self.listing.events)
        return used

