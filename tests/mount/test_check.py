"""`kevfs check`: what each thing that can be wrong looks like, what it says to do about it, and how it exits."""
import base64
import collections
import contextlib
import http.server
import json
import os
import pathlib
import pty
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

from credentials import Plugin, configure
from events import event
from mounts import SUSPICIOUS, as_user, is_mounted
from servers import run

Line = collections.namedtuple("Line", "result what text")

# The order of the lines of a cluster where all is well.
ORDER = ["source", "name", "connection", "TLS", "API server", "credential", "events", "pods", "namespaces", "mode", "WatchList", "compression", "discovery",
         "sample", "clock", "/dev/fuse", "fusermount3"]


class Found:
    """What a check said: its lines, and its exit code."""

    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds
        self.lines = [Line(*re.fullmatch(r"(ok|warning|failed) +(.{12})  (.*)", line).groups()) for line in out.splitlines()]
        self.lines = [Line(l.result, l.what.strip(), l.text) for l in self.lines]

    def line(self, what):
        found = [l for l in self.lines if l.what == what]
        assert len(found) == 1, (what, self.out)
        return found[0]

    def expect(self, what, result, *words):
        line = self.line(what)
        assert line.result == result and all(w in line.text for w in words), (words, line)
        return line

    def failed(self, code, what, *words):
        """The check failed at this, and (but for the machine's own lines) went no further."""
        assert self.code == code, self.out
        first = next(l for l in self.lines if l.result == "failed")
        assert first.what == what and all(w in first.text for w in words), (words, self.out)
        return first


@pytest.fixture
def check(session):
    """check(source, *options, …) runs `kevfs check`; whatever it finds, it says nothing suspicious, and ends in time."""
    def make(source="-", *options, kubeconfig=None, environment=None, arguments=(), mountpoint=None, user=None, stdin=subprocess.DEVNULL, seconds=30):
        command = [*as_user(user), *session.wrapper, session.binary, "check", *arguments, *(["-o", ",".join(options)] if options else []), source, *([mountpoint] if mountpoint else [])]
        start = time.monotonic()
        r = subprocess.run(list(map(str, command)), capture_output=True, stdin=stdin, cwd=session.directory, timeout=seconds + 30, check=False,
                           env={**session.environment, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}), **(environment or {})})
        out, err = r.stdout.decode(), r.stderr.decode()
        assert not SUSPICIOUS.search(out + err + session.take_reports()), out + err
        assert "\x1b" not in out + err
        return Found(r.returncode, out, err, time.monotonic() - start)
    return make


def jwt(**claims):
    def part(what):
        return base64.urlsafe_b64encode(json.dumps(what).encode()).rstrip(b"=").decode()
    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


@contextlib.contextmanager
def listening(serve, tls=None):
    """A port of loopback; each connection goes to serve()."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def accept():
            while True:
                try:
                    c, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(c,), daemon=True).start()

        def one(c):
            with c, contextlib.suppress(OSError):
                serve(tls.wrap_socket(c, server_side=True) if tls else c)
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


PAST = """[ca]
default_ca = past
[past]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


def certify_past(directory, name):
    """A certificate that signed itself in 2020, for a year, and its key; as a server's."""
    for file, text in (("index", ""), ("serial", "01\n"), ("past.cnf", PAST)):
        (directory / file).write_text(text)
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}",
        "-addext", "subjectAltName=IP:127.0.0.1", cwd=directory)
    run("openssl", "ca", "-config", "past.cnf", "-batch", "-selfsign", "-keyfile", f"{name}.key", "-in", f"{name}.csr", "-out", f"{name}.crt", "-notext",
        "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", cwd=directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / f"{name}.crt", directory / f"{name}.key")
    return context


def trusting(path, port, ca):
    """A kubeconfig of a server on a port, whom ca has signed."""
    path.write_text(json.dumps({"clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(ca)}}], "users": [{"name": "u", "user": {"token": "secret-token"}}],
                                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}))
    return path


# ---- all is well ----

def test_all_is_well(server, check, scratch):
    found = check(kubeconfig=server.kubeconfig, mountpoint=scratch)
    assert found.code == 0 and found.err == "", found.out
    assert [l.what for l in found.lines] == [*ORDER, "mountpoint"]
    assert {l.result for l in found.lines} == {"ok"}, found.out
    found.expect("TLS", "ok", "TLSv1.3", "signed by CN=", "until ", "days")
    found.expect("API server", "ok", "Kubernetes v1.")
    found.expect("credential", "ok", "client certificate of CN=", "until ", "the server calls us ", "system:masters")
    found.expect("mode", "ok", "all namespaces at once: 3 watches, on 1 connection (HTTP/2)")
    found.expect("WatchList", "ok", "supported:")
    found.expect("compression", "ok", "gzip:")
    found.expect("clock", "ok", "agree")
    assert not is_mounted(scratch) and os.listdir(scratch) == []


def test_sample_is_where_it_will_be(server, check, mount, scratch):
    """The path and the time of the sample are those of the mount."""
    m = mount(server)
    text = check(kubeconfig=server.kubeconfig, mountpoint=scratch).line("sample").text
    path, when, size = re.fullmatch(r"(.*): \S+ \S+, first at (\S+) \(.*\), (\d+) bytes", text).groups()
    there = pathlib.Path(m.dir, pathlib.Path(path).relative_to(scratch))
    st = there.stat()
    assert st.st_size == int(size)
    seconds, fraction = re.fullmatch(r"(.*)\.(\d{9})Z", when).groups()
    assert st.st_mtime_ns == int(time.mktime(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) - time.timezone) * 10**9 + int(fraction)


def test_asks_but_does_not_write(fake, check):
    """All that is sent is GET, but for the question who we are."""
    fake.create("default", event())
    fake.order("requests", "DELETE")
    assert check(kubeconfig=fake.kubeconfig).code == 0
    requests = fake.requests()
    assert {(r["method"], r["verb"]) for r in requests if r["method"] != "GET"} == {("POST", "review")}
    for resource in ("events", "pods", "namespaces"):
        assert {"list", "watch"} <= {r["verb"] for r in requests if r["resource"] == resource}
    assert len({r["conn"] for r in requests}) == 1
    assert all("limit=" in r["url"] for r in requests if r["verb"] == "list")


def test_json(fake, check, session):
    fake.create("default", event())
    r = subprocess.run([session.binary, "check", "--json", "-"], capture_output=True, env={**session.environment, "KUBECONFIG": fake.kubeconfig}, timeout=60, check=False)
    lines = [json.loads(line) for line in r.stdout.splitlines()]
    assert r.returncode == 0 and [l["check"] for l in lines] == ORDER
    assert all(set(l) == {"check", "result", "found"} and l["result"] == "ok" for l in lines)
    r = subprocess.run([session.binary, "check", "--json", "nobody"], capture_output=True, env={**session.environment, "KUBECONFIG": fake.kubeconfig}, timeout=60, check=False)
    first = json.loads(r.stdout.splitlines()[0])
    assert r.returncode == 2 and first["result"] == "failed" and "nobody" in first["found"]


def test_empty_cluster(fake, check):
    found = check(kubeconfig=fake.kubeconfig)
    assert found.code == 0
    found.expect("events", "ok", "are about 0")
    found.expect("sample", "ok", "no events")
    found.expect("compression", "ok", "too few")


def test_colours(fake, session):
    """Only on a terminal, and not if NO_COLOR says so."""
    def on_terminal(**more):
        leader, follower = pty.openpty()
        p = subprocess.Popen([session.binary, "check", "-"], stdout=follower, stdin=subprocess.DEVNULL, env={**session.environment, "KUBECONFIG": fake.kubeconfig, "TERM": "xterm", **more})
        os.close(follower)
        said = b""
        with contextlib.suppress(OSError):
            while piece := os.read(leader, 65536):
                said += piece
        os.close(leader)
        assert p.wait(30) == 0
        return said
    assert b"\x1b[32mok     \x1b[0m" in on_terminal()
    assert b"\x1b" not in on_terminal(NO_COLOR="1")
    assert b"\x1b" not in on_terminal(TERM="dumb")


# ---- the command line ----

def test_help_fits_a_screen(session):
    r = subprocess.run([session.binary, "check", "--help"], capture_output=True, text=True, timeout=20, check=True)
    lines = r.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80 and "Exit status" in r.stdout
    assert "kevfs check" in subprocess.run([session.binary, "--help"], capture_output=True, text=True, timeout=20, check=True).stdout


@pytest.mark.parametrize("arguments, words", [([], "SOURCE is missing"), (["a", "b", "c"], "too many"), (["-o", "nonsense", "a"], "nonsense"), (["--what", "a"], "--what"), (["-o", "umask=9", "a"], "umask")])
def test_command_line(session, arguments, words):
    r = subprocess.run([session.binary, "check", *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert r.returncode == 1 and words in r.stderr and r.stderr.count("\n") == 1 and r.stdout == ""


def test_context_that_is_called_check(fake, session, mount, scratch):
    """It can still be mounted: as mount(8) says it, and in words that mean nothing else."""
    text = pathlib.Path(fake.kubeconfig).read_text().replace("contexts:\n", "contexts:\n- {name: check, context: {cluster: fake, user: fake}}\n")
    (scratch / "config").write_text(text)
    fake.create("default", event())
    m = mount(source="check", kubeconfig=str(scratch / "config"), arguments=["--"])
    assert len(m.files()) == 1
    point = session.new_directory("mnt")
    p = subprocess.run([session.binary, "check", point, "-o", "rw,dev,suid"], env={**session.environment, "KUBECONFIG": str(scratch / "config")}, capture_output=True, timeout=60, check=False)
    try:
        assert p.returncode == 0 and is_mounted(point), p.stderr
    finally:
        run("umount", point, check=False)


# ---- where it is ----

def test_config(fake, check, scratch):
    check("nobody", kubeconfig=fake.kubeconfig).failed(2, "source", "nobody")
    check(kubeconfig=scratch / "no-such").failed(2, "source", "no-such")
    (scratch / "bad").write_text("clusters: 7\n")
    check(kubeconfig=scratch / "bad").failed(2, "source", "bad")
    check("https://user:secret@127.0.0.1:1").failed(2, "source", "password")
    found = check("https://192.0.2.1", environment={"HTTPS_PROXY": "ftp://user:secret@x"})
    found.failed(2, "proxy", "HTTPS_PROXY")
    assert "secret" not in found.out


def test_name_that_is_not_known(check):
    found = check("https://no-such-host.invalid:6443")
    found.failed(3, "name", "no-such-host.invalid", "name")
    # What has nothing to do with it is looked at all the same.
    found.expect("/dev/fuse", "ok")


def test_port_that_refuses(check):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        check(f"https://127.0.0.1:{s.getsockname()[1]}").failed(4, "connection", "refused", "port right?")


def test_port_that_does_not_answer(check):
    """Its queue is full, so that a handshake of TCP is not answered."""
    with socket.socket() as s, contextlib.ExitStack() as stack:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        for _ in range(8):
            c = stack.enter_context(socket.socket())
            c.setblocking(False)
            c.connect_ex(s.getsockname())
        found = check(f"https://127.0.0.1:{s.getsockname()[1]}", "sync_timeout=2")
        found.failed(4, "connection", "firewall")
        assert found.seconds < 12


def test_proxy(fake, check, scratch):
    def tunnel(c):
        head = b""
        while b"\r\n\r\n" not in head:
            head += c.recv(4096)
        host, port = head.split()[1].decode().rsplit(":", 1)
        with socket.create_connection((host, int(port))) as s:
            c.sendall(b"HTTP/1.1 200 Yes\r\n\r\n")
            back = threading.Thread(target=pump, args=(s, c), daemon=True)
            back.start()
            pump(c, s)
            back.join(5)

    def pump(source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def refuse(c):
        c.recv(4096)
        c.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    text = pathlib.Path(fake.kubeconfig).read_text()

    def through(port):
        (scratch / "config").write_text(text.replace("certificate-authority-data", f'proxy-url: "http://joe:secret@127.0.0.1:{port}", certificate-authority-data'))
        return scratch / "config"
    with listening(tunnel) as port:
        found = check(kubeconfig=through(port))
        assert found.code == 0
        found.expect("connection", "ok", f"the proxy http://127.0.0.1:{port}", "proxy-url")
        assert "secret" not in found.out
    with listening(refuse) as port:
        found = check(kubeconfig=through(port))
        found.failed(4, "connection", f"through the proxy http://127.0.0.1:{port} (proxy-url): ", "403", "NO_PROXY")
        assert "secret" not in found.out + found.err


# ---- TLS ----

def test_certificate_of_an_unknown_authority(fake, check):
    found = check(fake.url)
    found.failed(5, "TLS", "not trusted", "CN=fake-apiserver", "signed by CN=fake-ca", "certificate-authority")
    found.expect("connection", "ok", "127.0.0.1")
    # Who is not trusted is shown nothing, and asked for no more than its certificate.
    assert all(r["user"] == "system:anonymous" and r["url"] == "/version" for r in fake.requests())


def test_certificate_that_has_ended(check, scratch):
    shown = []

    def serve(c):
        shown.append(c.recv(1000))
    with listening(serve, certify_past(scratch, "old")) as port:
        found = check(kubeconfig=trusting(scratch / "config", port, scratch / "old.crt"))
    found.failed(5, "TLS", "expired", "until 2021-01-01", "renewed")
    assert not any(b"secret" in s for s in shown)


def test_certificate_of_another_host(fake, check, scratch):
    text = pathlib.Path(fake.kubeconfig).read_text().replace("certificate-authority-data", "tls-server-name: other.example, certificate-authority-data")
    (scratch / "config").write_text(text)
    check(kubeconfig=scratch / "config").failed(5, "TLS", "not for that name", "DNS:localhost", "tls-server-name")


def test_certificate_that_is_not_checked(fake, check, scratch):
    config = json.loads(fake.kubectl("config", "view", "--raw", "-o", "json").stdout)
    for c in config["clusters"]:
        c["cluster"].pop("certificate-authority-data", None)
        c["cluster"]["insecure-skip-tls-verify"] = True
    (scratch / "config").write_text(json.dumps(config))
    found = check(kubeconfig=scratch / "config")
    assert found.code == 0
    found.expect("TLS", "warning", "not checked", "certificate-authority")


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["ssh", "nothing", "http"])
def test_port_that_speaks_no_tls(check, greeting):
    def serve(c):
        c.recv(100)
        c.sendall(greeting)
    with listening(serve) as port:
        check(f"https://127.0.0.1:{port}").failed(5, "TLS", "?")


def test_port_that_hangs_in_tls(check):
    """As a server does that is stopped: the kernel takes the connection for it."""
    with listening(lambda c: c.recv(1) and time.sleep(20)) as port:
        found = check(f"https://127.0.0.1:{port}", "sync_timeout=2")
    found.failed(6, "API server", "takes the connection, but does not answer", "is the port another's?")
    assert found.seconds < 12


def test_plain_http(fake, check, scratch):
    found = check(fake.plain)
    assert found.code == 0
    found.expect("TLS", "ok", "plain http")
    found.expect("mode", "ok", "a connection of its own (HTTP/1.1)")
    (scratch / "config").write_text(pathlib.Path(fake.kubeconfig).read_text().replace("user: anonymous}}", "user: token}}"))
    check("plain", kubeconfig=scratch / "config").expect("TLS", "warning", "not sent")


# ---- the API ----

class Website(http.server.BaseHTTPRequestHandler):
    """What stands there when the port is wrong."""
    status = 200

    def do_GET(self):
        body = b"<html><body>It works!\x1b[31m\nok name</body></html>"
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Location", "/login")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("status, words", [(200, "is the URL"), (404, "is the URL"), (302, "redirects")])
def test_server_that_is_no_api_server(check, status, words):
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Site", (Website,), {"status": status}))
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        check(f"http://127.0.0.1:{site.server_port}").failed(6, "API server", "not as a Kubernetes API server", str(status), "text/html", "It works!", words)
    finally:
        site.shutdown()
        site.server_close()


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"\0\1\2" * 1000, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"], ids=["ssh", "nothing", "noise", "cut"])
def test_server_that_speaks_no_http(check, greeting):
    def serve(c):
        c.recv(1000)
        c.sendall(greeting)
    with listening(serve) as port:
        check(f"http://127.0.0.1:{port}").failed(6, "API server")


@pytest.mark.parametrize("fault, words", [({"code": 503, "retryAfter": 7, "body": "all \x1bfull\n"}, ["503", "all \\x1bfull", "try again in 7 s"]), ({"code": 500}, ["500", "try again"]), ({"code": 429}, ["429", "Too many requests"])])
def test_server_that_has_trouble(fake, check, fault, words):
    with fake.fault("status", verb="version", **fault):
        check(kubeconfig=fake.kubeconfig).failed(6, "API server", "trouble", *words)


@pytest.mark.parametrize("fault", ["close", "reset", "empty", "cut", "garbage"])
def test_server_that_breaks_off(fake, check, fault):
    with fake.fault(fault, verb="version"):
        check(kubeconfig=fake.kubeconfig).failed(6, "API server")


def test_server_that_is_silent(fake, check):
    with fake.fault("stall", verb="version"):
        found = check("-", "sync_timeout=2", kubeconfig=fake.kubeconfig)
    found.failed(6, "API server", "does not answer")
    found.expect("TLS", "ok")
    assert found.seconds < 12


@pytest.mark.parametrize("verb, words", [("list", "cannot be listed"), ("watch", "cannot be watched")])
def test_events_that_do_not_come(fake, check, verb, words):
    with fake.fault("stall", verb=verb, resource="events"):
        found = check("-", "sync_timeout=3", kubeconfig=fake.kubeconfig)
    found.failed(6, "events", words)
    assert found.seconds < 12


@pytest.mark.parametrize("fault, words", [({"action": "status", "code": 500}, "500"), ({"action": "garbage"}, "not a Kubernetes API server's answer"), ({"action": "cut"}, ""), ({"action": "empty"}, "not a Kubernetes API server's answer")])
def test_events_that_are_no_list(fake, check, fault, words):
    with fake.fault(**fault, verb="list", resource="events"):
        check(kubeconfig=fake.kubeconfig).failed(6, "events", "cannot be listed", words)


def test_watch_that_says_no_in_its_stream(fake, check):
    with fake.fault("error", verb="watch", resource="events", code=500):
        check(kubeconfig=fake.kubeconfig).failed(6, "events", "cannot be watched", "500")


def test_field_selector_that_the_server_refuses(real, check):
    check("-", "field_selector=nonsense=1", kubeconfig=real.kubeconfig).failed(6, "events", "400", "nonsense")


def test_version_that_is_not_told(fake, check):
    with fake.fault("status", verb="version", code=403):
        found = check(kubeconfig=fake.kubeconfig)
    assert found.code == 0
    found.expect("API server", "ok", "does not tell")


def test_server_that_is_older(fake, check):
    """Without SelfSubjectReview, WatchList, and discovery in one piece."""
    fake.order("config", watchList=False, discovery="legacy")
    with fake.fault("status", verb="review", code=404):
        found = check(kubeconfig=fake.kubeconfig)
    assert found.code == 0
    found.expect("credential", "ok", "before Kubernetes 1.28")
    found.expect("WatchList", "ok", "not supported")
    found.expect("discovery", "ok", "kinds")


def test_compression_that_is_off(fake, check, scratch):
    (scratch / "config").write_text(pathlib.Path(fake.kubeconfig).read_text().replace("certificate-authority-data", "disable-compression: true, certificate-authority-data"))
    check(kubeconfig=scratch / "config").expect("compression", "ok", "off: disable-compression")


def test_discovery_that_fails(fake, check):
    fake.create("default", event())
    with fake.fault("status", verb="discovery", code=403):
        found = check(kubeconfig=fake.kubeconfig)
    assert found.code == 0
    found.expect("discovery", "warning", "cannot be asked")
    found.expect("sample", "ok", "MOUNTPOINT/default/pods/")


@pytest.mark.parametrize("skew, words", [(90, "ahead"), (-3600, "behind")])
def test_clock(fake, check, skew, words):
    fake.order("config", skew=skew)
    found = check(kubeconfig=fake.kubeconfig)
    assert found.code == 0
    found.expect("clock", "warning", words, "NTP")


# ---- the credential ----

def test_credential_that_is_refused(server, check, scratch):
    found = check(kubeconfig=configure(server, scratch / "config", {"token": "secret-and-wrong"}))
    found.failed(7, "credential", "a token", "401", "nauthorized", "new token")
    assert "secret" not in found.out + found.err


def test_token_that_says_how_long(fake, check, scratch):
    now = int(time.time())
    tokens = {what: jwt(exp=now + seconds, sub="x") for what, seconds in (("long", 90 * 86400), ("short", 3600 + 30), ("over", -7200))}
    fake.order("config", tokens=[tokens["long"], tokens["short"]])
    for what, result, code, words in (("long", "ok", 0, "(89 days)"), ("short", "warning", 0, "(60 minutes)"), ("over", "failed", 7, "ago)")):
        found = check(kubeconfig=configure(fake, scratch / "config", {"token": tokens[what]}))
        assert found.code == code, found.out
        found.expect("credential", result, "a token, until 20", words)
        assert tokens[what] not in found.out and tokens[what].split(".")[1] not in found.out


def test_token_file(fake, check, scratch):
    (scratch / "token").write_text(pathlib.Path(fake.directory, "token").read_text())
    found = check(kubeconfig=configure(fake, scratch / "config", {"tokenFile": str(scratch / "token")}))
    assert found.code == 0
    found.expect("credential", "ok", f"the token in {scratch}/token", "calls us system:serviceaccount:default:tester")
    (scratch / "token").unlink()
    check(kubeconfig=scratch / "config").failed(2, "source", "token")


def test_client_certificate_that_has_ended(fake, check, scratch):
    certify_past(scratch, "me")
    found = check(kubeconfig=configure(fake, scratch / "config", {"client-certificate": str(scratch / "me.crt"), "client-key": str(scratch / "me.key")}))
    found.failed(7, "credential", "has expired on 2021-01-01", "renewed")


def test_credential_that_ends_meanwhile(fake, check):
    """The version is public; what counts is asked later."""
    with fake.fault("status", verb="list", resource="events", code=401):
        check(kubeconfig=fake.kubeconfig).failed(7, "events", "401")
    with fake.fault("status", verb="review", code=401):
        check(kubeconfig=fake.kubeconfig).failed(7, "credential", "401")


def test_plugin(fake, check, scratch):
    """It is run as for a mount, and has no more time than all of the check."""
    plugin = Plugin(scratch)
    kubeconfig = configure(fake, scratch / "config", plugin.user())
    plugin.prints(token="fake-token-1")
    found = check(kubeconfig=kubeconfig)
    assert found.code == 0 and plugin.runs() == 1
    found.expect("credential", "ok", f"the token that the exec plugin {plugin.path} prints", "calls us system:serviceaccount:default:tester")
    plugin.prints(token="hunter2")
    found = check(kubeconfig=kubeconfig)
    found.failed(7, "credential", "401")
    assert "hunter2" not in found.out + found.err
    plugin.prints(clientCertificateData=pathlib.Path(fake.cert).read_text(), clientKeyData=pathlib.Path(fake.key).read_text())
    check(kubeconfig=kubeconfig).expect("credential", "ok", "client certificate of CN=fake-admin", "exec plugin")
    plugin.does.write_text("echo 'log in first' >&2; exit 1\n")
    check(kubeconfig=kubeconfig).failed(7, "credential", f"exec plugin {plugin.path}", "log in first")
    plugin.does.write_text("exec sleep 1000\n")
    found = check("-", "sync_timeout=2", kubeconfig=kubeconfig)
    found.failed(7, "credential", "exec plugin", "does not end within 2 s")
    assert found.seconds < 15


def test_impersonation(real, check, scratch):
    """Whom we act as is whom the server sees."""
    user = {"client-certificate": real.cert, "client-key": real.key, "as": "eve", "as-groups": ["dev"]}
    found = check(kubeconfig=configure(real, scratch / "config", user))
    found.failed(8, "events", 'User "eve" cannot list', "--user=eve")
    found.expect("credential", "ok", "client certificate of CN=admin", "calls us eve", "dev")


def test_hostile_words(fake, check):
    """Names that the server gives to us, and to its objects, do not move the cursor, and begin no line."""
    user = {"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "a\x1b[2J\nok  b'; reboot", "groups": ["\u202e", 7, "x" * 100000]}}}
    fake.create_raw("default", json.dumps({"metadata": {"name": "a\nb\x1b.18bd1e7a2b3c4d5e"}, "involvedObject": {"kind": "../x", "name": "\x07"}, "reason": "\x1b[31m", "type": "N\r"}).encode())
    with fake.fault("status", verb="review", code=201, body=json.dumps(user)), fake.fault("status", verb="list", resource="pods", code=403):
        found = check(kubeconfig=fake.kubeconfig)
    assert found.code == 0 and len(found.out) < 20000
    assert "\u202e" not in found.out and "reboot" in found.line("credential").text
    assert "--user=NAME" in found.line("pods").text
    found.expect("sample", "ok", "a%0Ab%1B")


# ---- rights ----

def test_events_that_may_not_be_seen(fake, check, scratch):
    kubeconfig = configure(fake, scratch / "config", {"token": "fake-token-1"})
    with fake.fault("status", verb="list", resource="events", code=403):
        found = check(kubeconfig=kubeconfig)
    found.failed(8, "events", "may not be listed", 'cannot list resource "events"', "kubectl create clusterrolebinding kevfs", "--serviceaccount=default:tester")
    # Each namespace was tried, so to name one does not help.
    assert "-o namespace=" not in found.out
    with fake.fault("status", verb="list", resource="events", code=403), fake.fault("status", resource="namespaces", code=403):
        check(kubeconfig=kubeconfig).failed(8, "events", "-o namespace=NAME; else who runs the cluster", "clusterrolebinding kevfs")
    with fake.fault("status", verb="watch", resource="events", code=403):
        check(kubeconfig=kubeconfig).failed(8, "events", "may be listed, but not watched", 'cannot watch resource "events"')


def test_events_of_some_namespaces(fake, check):
    """Forbidden at the cluster scope, and in one namespace."""
    fake.bulk([("create", "events", ns, event(namespace=ns)) for ns in ("pay", "shop")])
    with fake.fault("status", resource="events", namespace="-", code=403), fake.fault("status", resource="events", namespace="pay", code=403):
        found = check(kubeconfig=fake.kubeconfig)
        assert found.code == 0
        found.expect("events", "warning", "in 5 of 6 namespaces", "at the cluster scope", "clusterrolebinding")
        found.expect("mode", "ok", "namespace by namespace")
        found.expect("sample", "ok", "MOUNTPOINT/shop/")
        # Only those that are named.
        found = check("-", "namespace=shop", kubeconfig=fake.kubeconfig)
        assert found.code == 0
        found.expect("events", "ok", "in shop")
        found.expect("pods", "ok")
        assert not any(l.what == "namespaces" for l in found.lines)
        found = check("-", "namespace=shop,namespace=pay", kubeconfig=fake.kubeconfig)
        found.expect("events", "warning", "1 of 2 namespaces")
        assert "kubectl create rolebinding kevfs --namespace=pay --clusterrole=view" in found.line("events").text
        found = check("-", "namespace=pay", kubeconfig=fake.kubeconfig)
        found.failed(8, "events", "may not be listed in pay: ", 'in the namespace "pay"', "create rolebinding kevfs --namespace=pay ")
        assert "clusterrolebinding" not in found.out
        # More than would be watched: the mount would fail, too.
        check("-", "max_watches=5", kubeconfig=fake.kubeconfig).failed(8, "mode", "there are 6, and at most 5 are watched", "-o max_watches=")
        check("-", "namespace=shop,namespace=pay,max_watches=1", kubeconfig=fake.kubeconfig).failed(8, "mode", "there are 2", "-o max_watches=")
        # So it would where none of those that are tried may be seen; then it is not known of the others.
        fake.order("config", permitted={"events": ["shop"]})
        found = check("token", "max_watches=2", kubeconfig=fake.kubeconfig)
        found.failed(8, "events", "neither in all namespaces nor in default, kube-node-lease: ", "if you may see another namespace: -o namespace=NAME; else")
        found.expect("mode", "failed", "there are 6, and at most 2 are watched", "-o namespace=", "-o max_watches=")
        assert check("token", "namespace=shop", kubeconfig=fake.kubeconfig).code == 0
        fake.order("config", permitted=None)
        # Which there are is forbidden, too: that of the context is tried.
        with fake.fault("status", resource="namespaces", code=403):
            found = check(kubeconfig=fake.kubeconfig)
            found.expect("events", "warning", "1 of 1 namespaces", "default")


def test_namespaces_that_there_are_not(fake, check):
    """Their events are listed as none, as if all were well."""
    names = [f"n{i}" for i in range(12)]
    for name in names[1:]:
        fake.namespace(name)
    found = check("-", *(f"namespace={name}" for name in [*names, "nono"]), kubeconfig=fake.kubeconfig)
    assert found.code == 0
    assert found.expect("namespaces", "warning", "spelt right").text.startswith("there is no namespace n0, nor nono; ")
    with fake.fault("status", verb="get", resource="namespaces", code=403):
        assert not any(l.what == "namespaces" for l in check("-", "namespace=nono", kubeconfig=fake.kubeconfig).lines)


@pytest.mark.parametrize("resource", ["pods", "namespaces"])
@pytest.mark.parametrize("verb, words", [("list", "may not be listed"), ("watch", "may be listed, but not watched")])
def test_what_is_optional(fake, check, resource, verb, words):
    with fake.fault("status", verb=verb, resource=resource, code=403):
        found = check(kubeconfig=fake.kubeconfig)
    assert found.code == 0
    found.expect(resource, "warning", words, "only those that Events mention", "clusterrolebinding")


def test_nobody(server, check, scratch):
    found = check(kubeconfig=configure(server, scratch / "config", {}))
    found.failed(8, "events", "system:anonymous", "name a context that has a credential")
    found.expect("credential", "ok", "anonymous")


def test_real_service_account(real, check, mount, scratch):
    """What an account may do on the real control plane: nothing, one namespace, all."""
    def account(name):
        real.kubectl("create", "serviceaccount", name, check=False)
        return configure(real, scratch / name, {"token": real.kubectl("create", "token", name).stdout.decode()})
    kubeconfig = account("checker")
    found = check(kubeconfig=kubeconfig)
    found.failed(8, "events", "system:serviceaccount:default:checker", "--serviceaccount=default:checker")
    found.expect("credential", "warning", "a token, until ", "minutes", "calls us system:serviceaccount:default:checker")
    real.kubectl("create", "role", "checker", "-n", "shop", "--verb=list,watch", "--resource=events,pods", check=False)
    real.kubectl("create", "rolebinding", "checker", "-n", "shop", "--role=checker", "--serviceaccount=default:checker", check=False)
    found = check("-", "namespace=shop", kubeconfig=kubeconfig)
    assert found.code == 0, found.out
    found.expect("events", "ok", "in shop")
    found.expect("pods", "ok")
    assert mount(None, "namespace=shop", kubeconfig=str(kubeconfig)).files()
    # And what the check says that would permit it does.
    advice = re.search(r"kubectl (create clusterrole .*) && kubectl (create clusterrolebinding .*)", check(kubeconfig=kubeconfig).line("events").text)
    try:
        for command in advice.groups():
            real.kubectl(*command.split())
        found = check(kubeconfig=kubeconfig)
        assert found.code == 0, found.out
        found.expect("events", "ok", "all namespaces")
        found.expect("namespaces", "ok")
    finally:
        real.kubectl("delete", "clusterrolebinding,clusterrole", "kevfs", check=False)


# ---- this machine ----

def test_mountpoint(fake, check, mount, scratch):
    (scratch / "file").write_text("")
    check(kubeconfig=fake.kubeconfig, mountpoint=scratch / "no-such").failed(9, "mountpoint", "no-such", "mkdir")
    check(kubeconfig=fake.kubeconfig, mountpoint=scratch / "file").failed(9, "mountpoint", "not a directory")
    m = mount(fake)
    check(kubeconfig=fake.kubeconfig, mountpoint=m.dir).failed(9, "mountpoint", "is mounted already", "umount")


def test_state(fake, check, scratch):
    (scratch / "mnt").mkdir()
    found = check("-", f"state={scratch}/new", kubeconfig=fake.kubeconfig)
    assert found.code == 0
    found.expect("state", "ok", "can be made")
    assert not (scratch / "new").exists()
    (scratch / "new").mkdir()
    check("-", f"state={scratch}/new", kubeconfig=fake.kubeconfig).expect("state", "ok", "may be written")
    assert os.listdir(scratch / "new") == []
    check("-", f"state={scratch}/no/such", kubeconfig=fake.kubeconfig).expect("state", "ok", "can be made")
    (scratch / "file").write_text("")
    for path in ("file", "file/in"):
        check("-", f"state={scratch}/{path}", kubeconfig=fake.kubeconfig).failed(9, "state", f"{scratch}/{path}: Not a directory")
    # Where access(2) says that root may write, and the mount finds out that nobody can.
    for path in ("/proc/x", "/proc/self/task", "/sys/no/such"):
        check("-", f"state={path}", kubeconfig=fake.kubeconfig).failed(9, "state", f"{path}: ", "" if os.geteuid() else "the kernel's; name a directory on a disk")
    check("-", "state=~/no/such", kubeconfig=fake.kubeconfig).failed(9, "state", "~/no/such", "$HOME")
    check("-", f"state={scratch}/mnt/no/such", kubeconfig=fake.kubeconfig, mountpoint=scratch / "mnt").failed(9, "state", "lies in the mountpoint")
    check("-", f"state={scratch}/mnt/state", kubeconfig=fake.kubeconfig, mountpoint=scratch / "mnt").failed(9, "state", "lies in the mountpoint")


def test_state_that_the_mount_refuses(fake, check, mount, scratch):
    """It is said here, in the same words."""
    state = scratch / "state"
    m = mount(fake, f"state={state}", "namespace=default")
    check("-", f"state={state}", "namespace=default", kubeconfig=fake.kubeconfig).failed(9, "state", "another kevfs uses it", "unmount")
    m.close()
    before = sorted((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in state.iterdir())
    check("-", f"state={state}", "namespace=default", kubeconfig=fake.kubeconfig).expect("state", "ok", "may be written")
    check("-", f"state={state}", kubeconfig=fake.kubeconfig).failed(9, "state", 'is of the namespaces "default", and this mount is of all namespaces')
    check("-", f"state={state}", "namespace=default", "field_selector=type=Warning", kubeconfig=fake.kubeconfig).failed(9, "state", "is of no field selector")
    assert sorted((p.name, p.stat().st_mtime_ns, p.stat().st_size) for p in state.iterdir()) == before


@pytest.mark.needs_root
def test_ordinary_user(fake, check, session, scratch):
    kubeconfig = scratch / "config"
    kubeconfig.write_text(pathlib.Path(fake.kubeconfig).read_text())
    for path in (kubeconfig, scratch):
        os.chmod(path, 0o755)
    own, others = session.new_directory("own"), session.new_directory("others")
    os.chown(own, 1234, 1234)
    found = check(kubeconfig=kubeconfig, mountpoint=own, user=1234)
    assert found.code == 0, found.out
    found.expect("fusermount3", "ok", "mounts for us")
    check(kubeconfig=kubeconfig, mountpoint=others, user=1234).failed(9, "mountpoint", "not a directory of yours")
    allowed = re.search(r"^\s*user_allow_other", pathlib.Path("/etc/fuse.conf").read_text() if os.path.exists("/etc/fuse.conf") else "", re.M)
    found = check("-", "allow_other", kubeconfig=kubeconfig, mountpoint=own, user=1234)
    if allowed:
        found.expect("allow_other", "ok", "/etc/fuse.conf")
    else:
        found.failed(9, "allow_other", "user_allow_other", "/etc/fuse.conf")
    check("-", "allow_other", kubeconfig=kubeconfig).expect("allow_other", "ok")
    # A process that may not get new rights cannot mount through a setuid program.
    r = subprocess.run(["setpriv", "--no-new-privs", *as_user(1234)[1:], session.binary, "check", "-"], env={**session.environment, "KUBECONFIG": str(kubeconfig)}, capture_output=True, text=True, timeout=60, check=False)
    assert r.returncode == 9 and "no_new_privs" in r.stdout, r.stdout


@pytest.mark.needs_root
def test_machine_without_fuse(fake, check, session):
    """In a mount namespace where it is covered; as in a container that was not given it."""
    command = 'mount -t tmpfs none /dev && exec "$@"'
    r = subprocess.run(["unshare", "-m", "sh", "-c", command, "-", session.binary, "check", "-"], env={**session.environment, "KUBECONFIG": fake.kubeconfig}, capture_output=True, text=True, timeout=60, check=False)
    assert r.returncode == 9, r.stdout
    assert re.search(r"^failed   /dev/fuse     No such file or directory; .*modprobe fuse.*--device /dev/fuse", r.stdout, re.M), r.stdout


# ---- files ----

@pytest.fixture
def dumps(fake, scratch):
    """A list, a recording and single Events, of ten events, in files."""
    fake.load(10, namespaces=2)
    (scratch / "list").write_bytes(fake.kubectl("get", "events", "-A", "-o", "json").stdout)
    events = fake.get("/api/v1/events")["items"]
    (scratch / "recording").write_text("".join(json.dumps({"type": "ADDED", "object": {"kind": "Event", "apiVersion": "v1", **e}}) + "\n" for e in events))
    (scratch / "events").write_text("".join(json.dumps({"kind": "Event", "apiVersion": "v1", **e}) + "\n" for e in events))
    return scratch


def test_file(dumps, check):
    for name, form in (("list", "a list"), ("recording", "a recording"), ("events", "single Events")):
        found = check(f"file:{dumps}/{name}")
        assert found.code == 0 and found.err == "", found.out + found.err
        found.expect("file", "ok", f"{dumps}/{name}", form)
        assert found.line("events").text.startswith("10")
        found.expect("sample", "ok", "/events/")
        assert not any(l.what in ("name", "TLS", "credential") for l in found.lines)
    run("gzip", dumps / "list")
    check(f"file:{dumps}/list.gz").expect("events", "ok", "10")
    with open(dumps / "events", "rb") as f:
        check("file:-", stdin=f).expect("file", "ok", "standard input")
    check(f"file:{dumps}/events", "namespace=nowhere").expect("events", "warning", "none")


def test_file_that_is_damaged(dumps, check):
    run("gzip", "-k", dumps / "list")
    whole = (dumps / "list.gz").read_bytes()
    (dumps / "cut.gz").write_bytes(whole[:-20])
    check(f"file:{dumps}/cut.gz").failed(10, "file", "cut.gz")
    (dumps / "half").write_bytes((dumps / "list").read_bytes()[:3000])
    check(f"file:{dumps}/half").failed(10, "file", "half", "byte")
    check(f"file:{dumps}/no-such").failed(10, "file", "no-such")
    check(f"file:{dumps}").failed(10, "file")
    check("file:").failed(10, "file")
    lines = (dumps / "recording").read_text().splitlines(keepends=True)
    (dumps / "odd").write_text("".join(lines[:3]) + '{"type":"ADDED","object":{"kind":"Pod\x1b"}}\n'.replace("\x1b", "\\u001b") + '{"type":"ADDED","object":{"kind":"Event"}}\n' + "".join(lines[3:]) + lines[0][:50])
    found = check(f"file:{dumps}/odd")
    assert found.code == 0
    assert found.line("events").text.startswith("10")
    left = [l for l in found.lines if l.what == "left out"]
    assert [l.result for l in left] == ["warning"] * 3, found.out
    assert "Pod\\x1b" in left[0].text and "no sense" in left[1].text and "broken off, from line 13" in left[2].text


def test_pipe_that_nobody_writes(check, scratch):
    os.mkfifo(scratch / "pipe")
    found = check(f"file:{scratch}/pipe", "sync_timeout=1")
    found.failed(10, "file", "not read to its end within 1 s", "sync_timeout")
    found.expect("/dev/fuse", "ok")
    assert found.seconds < 12

