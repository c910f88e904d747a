"""What cannot be mounted: one line on standard error that says why, an exit code that is not 0, and nothing mounted."""
import http.server
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from events import event
from mounts import is_mounted
from servers import Fake, wait_for


def one_line(m, *words, code=32):
    said = m.said()
    assert m.returncode == code, said
    assert said.endswith("\n") and said.count("\n") == 1, said
    assert said.startswith("kevfs: ") and all(w in said for w in words), (words, said)
    assert "\x1b" not in said and not is_mounted(m.dir)
    return said


@pytest.fixture(params=["background", "foreground"])
def refused(mount, request):
    """mount(...) that must fail; in the background mount(8) must hear of it all the same."""
    def make(*arguments, **keywords):
        return mount(*arguments, refused=True, arguments=["-f"] if request.param == "foreground" else [], background=True, **keywords)
    return make


def rewrite(server, path, *changes):
    """The server's kubeconfig with changes of its text, as a file."""
    text = open(server.kubeconfig, encoding="utf-8").read()
    for old, new in changes:
        assert old in text, (old, text)
        text = text.replace(old, new)
    path.write_text(text)
    return str(path)


def test_context_that_is_not_there(fake, refused):
    said = one_line(refused(fake, source="no-such"), "no-such")
    assert "plain" in said or "token" in said  # it names those that there are


def test_file_that_is_taken_for_a_context(fake, refused, scratch):
    """As it is given, and as mount(8) gives it on."""
    path = scratch / "events.json"
    path.write_text('{"apiVersion":"v1","kind":"List","items":[]}')
    one_line(refused(fake, source=str(path)), f"no context \"{path}\"", f"; if the file of that name is meant: file:{path}\n")
    one_line(refused(source=str(path), environment={"HOME": str(scratch)}), "no kubeconfig", f": file:{path}\n")
    assert "file:" not in one_line(refused(fake, source=str(scratch)), "no context")


def test_no_kubeconfig_at_all(refused, scratch):
    one_line(refused(environment={"HOME": str(scratch)}), f"no kubeconfig: {scratch}/.kube/config: no such file; -o kubeconfig=PATH or KUBECONFIG names another\n")


def test_kubeconfig_that_is_not_there(refused, scratch):
    one_line(refused(None, f"kubeconfig={scratch}/no-such"), f"{scratch}/no-such")


@pytest.mark.parametrize("text", ["{", "a: [", "- x\n", "clusters: 7\n", "\0", "apiVersion: v1\nkind: Config\nclusters: [{name: x, cluster: {server: [1]}}]\n"])
def test_kubeconfig_that_makes_no_sense(refused, scratch, text):
    (scratch / "bad").write_text(text)
    one_line(refused(kubeconfig=str(scratch / "bad")))


def test_port_that_refuses(fake, refused):
    start = time.monotonic()
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # nobody listens
        port = s.getsockname()[1]
        for url in (f"https://127.0.0.1:{port}", f"http://127.0.0.1:{port}/prefix"):
            m = refused(source=url)
            one_line(m, f"127.0.0.1:{port}", f"; more: kevfs check {url} {m.dir} (with the same options)\n")
    assert time.monotonic() - start < 20


def test_host_that_does_not_resolve(refused):
    one_line(refused(source="https://no-such-host.invalid"), "no-such-host.invalid")


def test_url_that_makes_no_sense(refused):
    for url in ("https://", "http://:1", "https://host:99999", "https://user:secret@127.0.0.1:1", "https://127.0.0.1:1/?x=1", "http://[::1", "https://127.0.0.1:1\nHost: evil"):
        said = one_line(refused(source=url))
        assert "secret" not in said


def test_certificate_of_an_unknown_authority(server, refused, scratch):
    if isinstance(server, Fake):
        config = json.loads(server.kubectl("config", "view", "--raw", "-o", "json").stdout)
        for c in config["clusters"]:
            c["cluster"].pop("certificate-authority-data", None)
        (scratch / "noca").write_text(json.dumps(config))
        path = str(scratch / "noca")
    else:
        path = rewrite(server, scratch / "noca", (f', certificate-authority: "{server.ca}"', ""))
    one_line(refused(kubeconfig=path), "certificate")


def test_certificate_of_another_host(fake, refused, mount, scratch):
    path = rewrite(fake, scratch / "wrong", ("certificate-authority-data", "tls-server-name: other.example.com, certificate-authority-data"))
    one_line(refused(kubeconfig=path), "certificate")
    good = rewrite(fake, scratch / "good", ("certificate-authority-data", "tls-server-name: kubernetes.default.svc, certificate-authority-data"))
    assert "default" in os.listdir(mount(kubeconfig=good).dir)


def test_authority_that_is_no_certificate(fake, refused, scratch):
    text = open(fake.kubeconfig, encoding="utf-8").read()
    start = text.index("certificate-authority-data: ") + len("certificate-authority-data: ")
    (scratch / "bad").write_text(text[:start] + "bm9uc2Vuc2U=" + text[text.index("}", start):])
    one_line(refused(kubeconfig=str(scratch / "bad")))


def test_no_credential(server, refused, scratch):
    if isinstance(server, Fake):
        said = one_line(refused(server, source="anonymous"))
    else:
        text = open(server.kubeconfig, encoding="utf-8").read()
        start = text.index("user: {client")
        (scratch / "bare").write_text(text[:start] + "user: {}" + text[text.index("}", start) + 1:])
        said = one_line(refused(kubeconfig=str(scratch / "bare")))
    assert 'User "system:anonymous" cannot list resource "events"' in said


def test_wrong_token(server, refused, scratch):
    config = json.loads(server.kubectl("config", "view", "--raw", "-o", "json").stdout)
    for u in config["users"]:
        u["user"] = {"token": "secret-and-wrong"}
    (scratch / "wrong").write_text(json.dumps(config))
    said = one_line(refused(kubeconfig=str(scratch / "wrong")), "nauthorized")
    assert "secret" not in said


def test_events_that_may_not_be_listed(server, refused, scratch):
    """On the real server a service account with no rights, on the fake one an answer of 403."""
    if isinstance(server, Fake):
        with server.fault("status", verb="list", resource="events", code=403), server.fault("status", verb="watch", resource="events", code=403):
            said = one_line(refused(server))
    else:
        server.kubectl("create", "serviceaccount", "nobody", check=False)
        token = server.kubectl("create", "token", "nobody").stdout.decode()
        config = json.loads(server.kubectl("config", "view", "--raw", "-o", "json").stdout)
        config["users"][0]["user"] = {"token": token}
        (scratch / "nobody").write_text(json.dumps(config))
        said = one_line(refused(kubeconfig=str(scratch / "nobody")), "system:serviceaccount:default:nobody")
    assert 'cannot list resource "events"' in said  # the server's own words


@pytest.mark.brisk
@pytest.mark.parametrize("code, body, words", [(500, "", "500"), (503, "all full\n", "all full"), (404, "", "404"), (418, "\x1b[2Jteapot\nline2\n", "teapot")])
def test_server_that_answers_with_an_error(fake, refused, code, body, words):
    """It may try again for a while, but it ends."""
    with fake.fault("status", verb="list", resource="events", code=code, body=body), fake.fault("status", verb="watch", resource="events", code=code, body=body):
        one_line(refused(fake, "sync_timeout=2"), words)


def serve_nonsense(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Website(http.server.BaseHTTPRequestHandler):
    """What stands there when the port is wrong."""
    def do_GET(self):
        body = b"<html><body>It works!\x1b[31m</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_server_that_is_no_api_server(refused):
    site = serve_nonsense(Website)
    try:
        one_line(refused(None, "sync_timeout=3", source=f"http://127.0.0.1:{site.server_port}"))
    finally:
        site.shutdown()
        site.server_close()


@pytest.mark.parametrize("greeting", [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"\x15\x03\x01\x00\x02\x02\x28"], ids=["ssh", "nothing", "alert"])
def test_server_that_speaks_no_tls(refused, greeting):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve():
            while True:
                try:
                    c, _ = listener.accept()
                except OSError:
                    return
                c.recv(100)
                c.sendall(greeting)
                c.close()
        threading.Thread(target=serve, daemon=True).start()
        one_line(refused(None, "sync_timeout=3", source=f"https://127.0.0.1:{listener.getsockname()[1]}"))
        listener.shutdown(socket.SHUT_RDWR)


def test_silent_server(fake, refused):
    """sync_timeout counts seconds without a byte."""
    start = time.monotonic()
    with fake.fault("stall", verb="list", resource="events"), fake.fault("stall", verb="watch", resource="events"):
        one_line(refused(fake, "sync_timeout=2"))
    assert 1.5 < time.monotonic() - start < 15


@pytest.mark.brisk
def test_slow_server_is_not_silent(fake, mount):
    """Bytes that come slowly are waited for, though the whole takes longer than sync_timeout."""
    fake.load(20)
    with fake.fault("drip", verb="list", resource="events", chunk=2000, seconds=0.25), fake.fault("drip", verb="watch", resource="events", chunk=2000, seconds=0.25):
        m = mount(fake, "sync_timeout=1")
        assert m.seconds > 1.5 and len(m.files()) == 20


def test_mountpoint(fake, refused, scratch):
    (scratch / "file").write_text("")
    for where in (scratch / "no-such", scratch / "file"):
        m = refused(fake, directory=where)
        assert m.returncode == 32 and str(where) in m.said() and m.said().count("\n") == 1


@pytest.mark.parametrize("path, words", [("/no/such", "/no/such"), (".", "directory"), ("/dev/null", "/dev/null")])
def test_dump_that_cannot_be_read(refused, path, words):
    one_line(refused(source=f"file:{path}"), words)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"List"', '{"kind":"List"', '{"kind":"PodList","apiVersion":"v1","items":[', '{"kind":"List","items":[{]}', '{"kind":"List","items":{}}', "x" * 100000, '{"kind":"List","items":[' + '{"a":' * 5000])
def test_dump_that_makes_no_sense(refused, scratch, text):
    (scratch / "dump").write_text(text)
    one_line(refused(source=f"file:{scratch}/dump"), f"{scratch}/dump")


def test_interrupted_while_it_syncs(session, fake, mount):
    """Ctrl-C on the terminal ends it, mounted or not."""
    with fake.fault("stall", verb="list", resource="events"), fake.fault("stall", verb="watch", resource="events"):
        for number in (signal.SIGINT, signal.SIGTERM):
            point = session.new_directory("mnt")
            p = subprocess.Popen([session.binary, "-f", "-", point], env={**session.environment, "KUBECONFIG": fake.kubeconfig}, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
            assert wait_for(lambda: fake.requests(resource="events"))
            p.send_signal(number)
            _, said = p.communicate(timeout=10)
            assert p.returncode != 0 and not is_mounted(point), said
            fake.order("requests", "DELETE")
    fake.create("default", event())
    assert len(mount(fake).files()) == 1
