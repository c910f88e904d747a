#!/usr/bin/env python3
"""Record what kubectl prints: print/<case>.in -> print/<case>.out.

A server on loopback answers with each <case>.in, byte for byte, and `kubectl get event -o json` prints it. Where
kubectl refuses the object, <case>.out is empty. A case called list-* is served as the only item of a list, since
that is where kubectl fills in what list items lack; the eight columns that a list's items stand to the right are
taken away again.

usage: record_print.py [--check] [KUBECTL]
--check writes nothing and fails where a recording differs.
"""

import http.server
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

CASES = pathlib.Path(__file__).resolve().parent / "print"

DISCOVERY = {
    "/api": b'{"kind":"APIVersions","versions":["v1"]}',
    "/apis": b'{"kind":"APIGroupList","apiVersion":"v1","groups":[]}',
    "/api/v1": b'{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"events","singularName":"event",'
    b'"namespaced":true,"kind":"Event","verbs":["get","list"],"shortNames":["ev"]}]}',
}
EVENTS = "/api/v1/namespaces/default/events"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        body, status = DISCOVERY.get(path), 200
        if path.startswith(EVENTS + "/"):
            body = (CASES / (path[len(EVENTS) + 1 :] + ".in")).read_bytes()
        elif path == EVENTS:
            item = (CASES / (self.server.case + ".in")).read_bytes()
            body = b'{"kind":"EventList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[' + item + b"]}"
        elif body is None:
            body, status = b"no such path", 404
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def only_item(text):
    """The item of a printed list of one, moved to the left margin."""
    lines = text.split(b"\n")
    first, last = lines.index(b"        {"), lines.index(b"        }")
    return b"".join(line[8:] + b"\n" for line in lines[first : last + 1])


def record(kubectl, server, case, cache):
    server.case = case
    is_list = case.startswith("list-")
    command = [kubectl, f"--server=http://127.0.0.1:{server.server_port}", f"--cache-dir={cache}", "-n", "default"]
    command += ["get", "events" if is_list else "event"] + ([] if is_list else [case]) + ["-o", "json"]
    command += ["--request-timeout=10s"]
    environment = {"PATH": os.environ["PATH"], "HOME": cache, "KUBECONFIG": os.devnull}
    done = subprocess.run(command, env=environment, capture_output=True, timeout=30, check=False)
    if done.returncode:
        print(f"{case}: refused: {done.stderr.decode(errors='replace').strip()[:200]}")
        return b""
    return only_item(done.stdout) if is_list else done.stdout


def main():
    arguments = sys.argv[1:]
    check = "--check" in arguments
    kubectl = ([a for a in arguments if a != "--check"] or ["kubectl"])[0]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    differ = 0
    with tempfile.TemporaryDirectory() as cache:
        for path in sorted(CASES.glob("*.in")):
            printed = record(kubectl, server, path.stem, cache)
            out = path.with_suffix(".out")
            if not check:
                out.write_bytes(printed)
            elif out.read_bytes() != printed:
                print(f"{path.stem}: differs")
                differ += 1
    server.shutdown()
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
