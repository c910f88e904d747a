"""Who we are for the server, whom we act as, and how the server is reached: as kubectl has it."""
import json
import os
import re
import signal
import time
import urllib.parse

import pytest

from credentials import TOKEN_USER, V1, V1BETA1, Plugin, certificate, configure, ours, users
from events import event, stamp
from mounts import is_mounted
from proxies import Proxy
from reports import status
from servers import find_kubectl, run, wait_for
from test_refusals import one_line, refused  # noqa: F401 (a fixture)
from watchdog import arguments, daemons

needs_root = pytest.mark.needs_root


def reconnect(fake):
    """The server drops all connections, and what is asked for from now on is looked at."""
    fake.order("requests", "DELETE")
    fake.order("drop")


# Impersonation

def test_impersonation_goes_with_every_request(fake, mount, scratch):
    user = {**certificate(fake), "as": "bob", "as-uid": "7", "as-groups": ["dev", "ops"], "as-user-extra": {"Scopes/x": ["view", "a b"]}}
    fake.create("default", event("one"))
    m = mount(kubeconfig=configure(fake, scratch / "config", user))
    fake.create("default", event("two"))
    assert wait_for(lambda: len(m.files()) == 2)
    expected = {"Impersonate-User": ["bob"], "Impersonate-Uid": ["7"], "Impersonate-Group": ["dev", "ops"], "Impersonate-Extra-Scopes%2fx": ["view", "a b"]}
    assert {r["verb"] for r in ours(fake)} >= {"list", "watch", "discovery"}
    assert all(r["as"] == expected for r in ours(fake)), ours(fake)


def test_impersonation_over_plain_http(fake, mount, scratch):
    """It is no credential, and without it we would be somebody else."""
    m = mount(kubeconfig=configure(fake, scratch / "config", {"as": "bob"}, server=fake.plain, **{"certificate-authority-data": None}))
    assert "default" in os.listdir(m.dir) and m.said() == ""
    assert all(r["as"] == {"Impersonate-User": ["bob"]} for r in ours(fake))


@pytest.mark.parametrize("verb", ["impersonate", "impersonate-on:user-info:list"])
def test_impersonation_that_is_refused(fake, session, refused, scratch, verb):  # noqa: F811
    """It is told from what the user lacks whom we act as: to permit that one anything would not help."""
    config = configure(fake, scratch / "config", {**certificate(fake), "as": "shopper"})
    words = f'User "viewer" cannot {verb} resource "events" in API group "" at the cluster scope'
    with fake.fault("status", code=403, body=json.dumps({"kind": "Status", "code": 403, "message": f'users "shopper" is forbidden: {words}'})):
        said = one_line(refused(kubeconfig=config), f"kevfs: the kubeconfig's as: shopper: we may not act as that user: {words}; permit the verb impersonate, or remove as; more:")
        assert "namespace=" not in said
        r = run(session.binary, "check", "-", check=False, env={**session.environment, "KUBECONFIG": str(config)})
    out = r.stdout.decode()
    assert r.returncode == 7, out
    assert re.search("^failed   events        the kubeconfig's as: shopper: we may not act as that user: User .*; permit the verb impersonate, or remove as$", out, re.M), out
    assert re.search("^warning  credential    .*the kubeconfig's as: shopper: .*; permit the verb impersonate, or remove as$", out, re.M), out
    assert "kubectl create" not in out and "pods" not in out, out


# Exec plugins

@pytest.fixture
def plugin(scratch):
    return Plugin(scratch)


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_plugin_gives_a_token(fake, mount, scratch, version):
    """One run for all requests of the first sync, and for what follows."""
    plugin = Plugin(scratch, version)
    plugin.prints(token="fake-token-1")
    fake.create("default", event("one"))
    m = mount(kubeconfig=configure(fake, scratch / "config", plugin.user()))
    fake.create("default", event("two"))
    assert wait_for(lambda: len(m.files()) == 2)
    assert users(fake) == {TOKEN_USER + "fake-token-1"} and plugin.runs() == 1 and m.said() == ""


def test_plugin_gives_a_certificate(fake, mount, scratch, plugin):
    plugin.prints(clientCertificateData=open(fake.cert, encoding="ascii").read(), clientKeyData=open(fake.key, encoding="ascii").read())
    m = mount(kubeconfig=configure(fake, scratch / "config", plugin.user()))
    assert "default" in os.listdir(m.dir) and users(fake) == {"fake-admin"}
    # The server takes no such one any more: of the next run comes another, for new connections.
    other = fake.order("certificate", name="other-admin")
    plugin.prints(clientCertificateData=open(other["certificate"], encoding="ascii").read(), clientKeyData=open(other["key"], encoding="ascii").read())
    with fake.fault("status", code=401, times=1, verb="watch", resource="events"):
        reconnect(fake)
        fake.create("default", event("one"))
        assert wait_for(lambda: len(m.files()) == 1, 20)
    assert wait_for(lambda: users(fake) and {r["user"] for r in fake.watching() + fake.watching("pods")} == {"other-admin"}, 20)
    assert plugin.runs() == 2


def test_plugin_whose_credential_expires(fake, mount, scratch, plugin):
    """The watch goes on; what is asked for later needs another one."""
    expiry = int(time.time()) + 5
    plugin.prints(token="fake-token-1", expirationTimestamp=stamp(expiry))
    m = mount(kubeconfig=configure(fake, scratch / "config", plugin.user()))
    runs = plugin.runs()
    fake.order("config", tokens=["fake-token-1", "second"])
    plugin.prints(token="second", expirationTimestamp="2999-01-01T00:00:00Z")
    fake.create("default", event("one"))
    assert wait_for(lambda: len(m.files()) == 1) and plugin.runs() == runs
    assert wait_for(lambda: time.time() > expiry)
    fake.order("requests", "DELETE")
    fake.order("end")
    assert wait_for(lambda: {r["user"] for r in fake.watching()} == {TOKEN_USER + "second"}, 20), (plugin.runs(), runs, fake.watching(), json.dumps(status(m)))
    assert plugin.runs() == runs + 1


def test_plugin_runs_again_when_refused(fake, mount, scratch, plugin):
    plugin.prints(token="fake-token-1")
    m = mount(kubeconfig=configure(fake, scratch / "config", plugin.user()))
    fake.order("config", tokens=["second"])
    plugin.prints(token="second")
    reconnect(fake)
    fake.create("default", event("one"))
    assert wait_for(lambda: len(m.files()) == 1, 20)
    assert wait_for(lambda: status(m)["stale"] is False, 20) and plugin.runs() == 2
    assert {r["user"] for r in fake.watching()} == {TOKEN_USER + "second"}


BROKEN = {
    "fails": ("echo one >&2; echo 'no login: \033[31mhint' >&2; exit 3", "ends with status 3: no login: \\x1b[31mhint"),
    "is killed": ("kill -TERM $$", "was ended by signal 15 (Terminated)"),
    "says nothing": ("exit 0", "prints nothing"),
    "says garbage": ("echo hunter2; exit 0", "no JSON"),
    "says a megabyte": ("exec head -c 2000000 /dev/zero", "more than 1048576 bytes"),
    "says it for ever": ("exec cat /dev/zero", "more than 1048576 bytes"),
    "hangs": ("echo stuck >&2; sleep 1000 & exec sleep 1000", "does not end within 1 s (exec_timeout): stuck"),
    "is another version": (f"""echo '{{"kind":"ExecCredential","apiVersion":"{V1BETA1}","status":{{"token":"hunter2"}}}}'; exit 0""", "answers in version"),
    "has no token": (f"""echo '{{"kind":"ExecCredential","apiVersion":"{V1}","status":{{}}}}'; exit 0""", "neither a token nor a client certificate"),
    "has half a pair": (f"""echo '{{"kind":"ExecCredential","apiVersion":"{V1}","status":{{"clientKeyData":"hunter2"}}}}'; exit 0""", "clientKeyData without"),
    "has a broken pair": (f"""echo '{{"kind":"ExecCredential","apiVersion":"{V1}","status":{{"clientCertificateData":"x","clientKeyData":"hunter2"}}}}'; exit 0""", "holds no certificate"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_plugin_that(fake, refused, scratch, plugin, what):  # noqa: F811
    """At the first sync it is named in the error, and nothing of it lives on."""
    does, words = BROKEN[what]
    plugin.does.write_text(f"echo $$ >{scratch}/pid\n{does}\n")
    said = one_line(refused(None, "exec_timeout=1", kubeconfig=configure(fake, scratch / "config", plugin.user())), f"exec plugin {plugin.path}", words)
    assert "hunter2" not in said and plugin.runs() == 1
    assert wait_for(lambda: not os.path.exists(f"/proc/{(scratch / 'pid').read_text().strip()}"))
    assert not ours(fake)


def test_plugin_that_is_not_there(fake, refused, scratch):  # noqa: F811
    user = {"exec": {"apiVersion": V1, "command": "no-such-login", "interactiveMode": "IfAvailable", "installHint": "apt install login\n  or so \033[31m"}}
    one_line(refused(kubeconfig=configure(fake, scratch / "config", user)), "exec plugin no-such-login", "there is no such command", "apt install login\\x0a  or so \\x1b[31m")
    user["exec"]["command"] = "./no-such-login"
    one_line(refused(kubeconfig=configure(fake, scratch / "config", user)), "no such command")
    user["exec"]["command"] = "/etc/passwd"
    one_line(refused(kubeconfig=configure(fake, scratch / "config", user)), "cannot be run: Permission denied")


@pytest.mark.brisk
def test_plugin_that_the_server_refuses(fake, refused, scratch, plugin):  # noqa: F811
    """Once more it may log in; then the server's words count."""
    plugin.prints(token="hunter2")
    said = one_line(refused(kubeconfig=configure(fake, scratch / "config", plugin.user())), "does not accept the credential: 401: Unauthorized")
    assert "hunter2" not in said and plugin.runs() == 2


def test_plugin_that_wants_a_terminal(fake, refused, scratch, plugin):  # noqa: F811
    one_line(refused(kubeconfig=configure(fake, scratch / "config", plugin.user(interactiveMode="Always"))), "wants a terminal")
    assert plugin.runs() == 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("does", ["echo expired >&2; exit 1", "exec sleep 1000"], ids=["fails", "hangs"])
def test_plugin_that_breaks_later(fake, mount, scratch, plugin, does):
    """The tree is served, and called stale with the reason; it recovers by itself; and the plugin is not run in a loop."""
    plugin.prints(token="fake-token-1")
    fake.create("default", event("one"))
    m = mount(None, "exec_timeout=2", kubeconfig=configure(fake, scratch / "config", plugin.user()))
    fake.order("config", tokens=["second"])
    plugin.prints(token="second")
    plugin.does.write_text(does)
    fake.order("drop")
    assert wait_for(lambda: "exec plugin" in status(m)["last_error"], 20), json.dumps(status(m))
    assert status(m)["stale"] is True and os.path.getsize(m.path("default/events/one")) and len(m.files()) == 1
    fake.create("default", event("two"))
    runs = plugin.runs()
    assert not wait_for(lambda: plugin.runs() > runs + 3, 5)
    plugin.does.write_text("")
    assert wait_for(lambda: len(m.files()) == 2, 45)
    assert wait_for(lambda: status(m)["stale"] is False, 10)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("does", ["echo expired >&2; exit 1", "exec sleep 1000"], ids=["fails", "hangs"])
def test_plugin_that_breaks_ends_no_watch(fake, mount, scratch, plugin, does):
    """In silence the server is asked whether it lives: without a credential, if need be."""
    plugin.prints(token="fake-token-1", expirationTimestamp=stamp(int(time.time()) + 5))
    m = mount(kubeconfig=configure(fake, scratch / "config", plugin.user()))
    plugin.does.write_text(does)

    def watches():
        return {w["start"] for kind in ("events", "pods", "namespaces") for w in fake.watching(kind)}
    assert wait_for(lambda: len(watches()) == 3)
    known = watches()
    time.sleep(50)
    assert watches() == known
    pulses = [r for r in fake.order("requests", "GET") if r["url"].startswith("/livez")]
    assert len(pulses) == 2 and pulses[-1]["user"] != TOKEN_USER + "fake-token-1" and status(m)["stale"] is False


def noting(scratch, answer):
    """A plugin that writes down what it finds: environment, directory, standard input, arguments."""
    path = scratch / "notes"
    path.write_text(f'#!/bin/sh\nout={scratch}/note-$TO\nenv -0 >$out.env\n{{ pwd; readlink /proc/$$/fd/0; printf "%s\\n" "$@"; }} >$out\nexec cat {answer}\n')
    path.chmod(0o755)
    return path


def environment_of(path):
    return dict(v.split("=", 1) for v in path.read_text().split("\0") if v)


@pytest.mark.parametrize("cluster_info", [False, True])
def test_plugin_gets_what_kubectl_gives_it(fake, mount, scratch, plugin, cluster_info):
    """The oracle runs the same one."""
    plugin.prints(token="fake-token-1")
    noting(scratch, plugin.answer)
    more = {"extensions": [{"name": "other", "extension": 7}, {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x", "deep": [1, 1.5, {"a": None}], "on": True}}]}
    user = {"exec": {"apiVersion": V1, "command": "./notes", "args": ["--for", "a b", ""], "interactiveMode": "Never", "provideClusterInfo": cluster_info,
                     "env": [{"name": "TO", "value": "x"}, {"name": "OWN", "value": "1"}, {"name": "OWN", "value": "2=3"}]}}
    seen = {}
    for who in ("kubectl", "kevfs"):
        user["exec"]["env"][0]["value"] = who
        config = configure(fake, scratch / "config", user, **{"tls-server-name": "kubernetes.default.svc"}, **more)
        if who == "kevfs":
            m = mount(kubeconfig=config, environment={"OURS": "4"})
            assert "default" in os.listdir(m.dir)
        else:
            run(find_kubectl(), "--kubeconfig", config, "get", "ns", env={**os.environ, "OURS": "4"})
        seen[who] = environment_of(scratch / f"note-{who}.env")
        directory, stdin, *arguments = (scratch / f"note-{who}").read_text().split("\n")
        assert arguments == ["--for", "a b", "", ""]
    assert (directory, stdin) == ("/", "/dev/null")
    infos = [json.loads(seen[who].pop("KUBERNETES_EXEC_INFO")) for who in ("kubectl", "kevfs")]
    assert infos[0] == infos[1] and ("cluster" in infos[0]["spec"]) == cluster_info
    for name in ("OWN", "OURS", "PATH"):
        assert seen["kevfs"][name] == seen["kubectl"][name]
    assert seen["kevfs"]["OWN"] == "2=3"


def is_over(session, point):
    """No process serves it any more."""
    return not any(str(point).encode() in arguments(p) for p in daemons(session.directory))


@needs_root
def test_plugin_under_mount_8(session, fake, scratch, plugin):
    """There is no PATH: those where programs are installed are looked through, or those that are named."""
    plugin.prints(token="fake-token-1")
    noting(scratch, plugin.answer)
    for directory, options, path in ((session.directory / "bin", "", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), (scratch, f",exec_path=/nonexistent:{scratch}:/bin", f"/nonexistent:{scratch}:/bin")):
        name = f"login-{len(options)}"
        os.symlink(scratch / "notes", directory / name)
        point = session.new_directory("mnt")
        config = configure(fake, scratch / "config", {"exec": {"apiVersion": V1, "command": name, "interactiveMode": "Never", "env": [{"name": "TO", "value": name}]}})
        run("mount", "-t", "fuse.kevfs", "-", point, "-o", f"kubeconfig={config}{options}", env={})
        assert "default" in os.listdir(point)
        run("umount", point, env={})
        assert environment_of(scratch / f"note-{name}.env")["PATH"] == path
        os.unlink(directory / name)
        assert wait_for(lambda where=point: is_over(session, where))


# The process that runs them

def helpers(m):
    """The process ids of its helper."""
    def is_one(pid):
        return open(f"/proc/{pid}/comm", encoding="utf-8").read() == "kev-helper\n" and m.dir.encode() in open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if is_one(pid):
                found.append(int(pid))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("how", ["umount", "TERM", "KILL"])
def test_helper_ends_with_the_daemon(fake, mount, scratch, plugin, how):
    """And what it runs, whatever ends the daemon."""
    plugin.prints(token="fake-token-1")
    m = mount(kubeconfig=configure(fake, scratch / "config", plugin.user()))
    [helper] = helpers(m)
    assert os.readlink(f"/proc/{helper}/cwd") == "/" and {os.readlink(f"/proc/{helper}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/null"}
    plugin.does.write_text(f"echo $$ >{scratch}/pid\nexec sleep 1000\n")
    fake.order("config", tokens=["second"])
    fake.order("drop")
    assert wait_for(lambda: plugin.runs() == 2 and (scratch / "pid").exists(), 20)
    # Signals for all of them, as systemd and the terminal send them, are for the daemon.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(helper, number)
    assert helpers(m) == [helper] and is_mounted(m.dir)
    if how == "umount":
        assert m.unmount().returncode == 0
    else:
        os.kill(m.pid(), getattr(signal, "SIG" + how))
    assert wait_for(lambda: helpers(m) == [], 10)
    assert wait_for(lambda: not os.path.exists(f"/proc/{(scratch / 'pid').read_text().strip()}"), 10)
    m.process.wait(10)
    if how == "KILL":
        run("umount", "-l", m.dir)
        m.refused = True  # its exit code says that it was killed


def test_helper_keeps_nobody_waiting(session, fake, mount, scratch, plugin):
    """A shell's $(...) around the daemon ends with the parent, not with the helper."""
    plugin.prints(token="fake-token-1")
    config = configure(fake, scratch / "config", plugin.user())
    point = session.new_directory("mnt")
    script = f'x=$({session.binary} -o kubeconfig={config} - {point} 2>&1) && echo "mounted:$x"'
    assert run("sh", "-c", script, env=session.environment, timeout=30).stdout == b"mounted:\n"
    assert "default" in os.listdir(point)
    run("umount", point)
    assert wait_for(lambda: is_over(session, point))


def test_helper_that_is_killed(fake, mount, scratch, plugin):
    """The mount lives, and says what to do when it needs it."""
    plugin.prints(token="fake-token-1")
    fake.create("default", event("one"))
    m = mount(kubeconfig=configure(fake, scratch / "config", plugin.user()))
    os.kill(helpers(m)[0], signal.SIGKILL)
    fake.order("config", tokens=[])
    fake.order("drop")
    assert wait_for(lambda: "the process that runs it has ended: mount anew" in status(m)["last_error"], 20), json.dumps(status(m))
    assert status(m)["stale"] is True and os.path.getsize(m.path("default/events/one"))


# Certificates, tokens

def test_certificate_files_that_rotate(fake, mount, scratch):
    """Nobody refuses the old one, and the watch is under way: within seconds it goes on with the new one, and no event is listed anew."""
    for name, source in (("cert", fake.cert), ("key", fake.key)):
        (scratch / name).write_text(open(source, encoding="ascii").read())
    fake.create("default", event("one"))
    m = mount(kubeconfig=configure(fake, scratch / "config", {"client-certificate": "cert", "client-key": "key"}))
    assert users(fake) == {"fake-admin"}
    fake.order("requests", "DELETE")
    other = fake.order("certificate", name="other-admin")
    for name, source in (("cert", other["certificate"]), ("key", other["key"])):
        (scratch / name).write_text(open(source, encoding="ascii").read())
    assert wait_for(lambda: {r["user"] for r in fake.watching() + fake.watching("pods") + fake.watching("namespaces")} == {"other-admin"}, 30, 0.1)
    fake.create("default", event("two"))
    assert wait_for(lambda: len(m.files()) == 2)
    assert [r["url"] for r in ours(fake, resource="events", verb="list")] == [] and m.said() == ""


@pytest.mark.parametrize("tokens", [[], ["another"]], ids=["none", "another"])
def test_token_that_is_not_accepted_any_more(fake, mount, scratch, tokens):
    """It goes on serving, says that it is stale, and recovers by itself."""
    (scratch / "token").write_text("fake-token-1")
    fake.create("default", event("one"))
    m = mount(kubeconfig=configure(fake, scratch / "config", {"tokenFile": "token"}))
    fake.order("config", tokens=tokens)
    fake.order("drop")
    assert wait_for(lambda: "does not accept the credential: 401" in status(m)["last_error"], 20), json.dumps(status(m))
    assert status(m)["stale"] is True and os.path.getsize(m.path("default/events/one"))
    fake.create("default", event("two"))
    (scratch / "token").write_text(tokens[0] if tokens else "fake-token-1")
    fake.order("config", tokens=tokens or ["fake-token-1"])
    assert wait_for(lambda: len(m.files()) == 2, 45)
    assert wait_for(lambda: status(m)["stale"] is False, 10)


# How the server is reached

def behind(fake, scratch, **cluster):
    """The server under a name that only a proxy can find."""
    port = urllib.parse.urlsplit(fake.url).port
    return configure(fake, scratch / "config", certificate(fake), server=f"https://kubernetes.default.svc:{port}", **cluster), f"kubernetes.default.svc:{port}"


def open_proxy(fake, kind, **more):
    where = urllib.parse.urlsplit(fake.url)
    return Proxy(kind, (where.hostname, where.port), certificate=(f"{fake.directory}/server.crt", f"{fake.directory}/server.key"), **more)


@pytest.mark.parametrize("credential", [None, "me:hunter2"], ids=["open", "password"])
@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_proxy_url(fake, mount, scratch, kind, credential):
    """Of the kubeconfig; the proxy resolves the name, and sees nothing of what is said."""
    proxy = open_proxy(fake, kind, credential=credential)
    config, name = behind(fake, scratch, **{"proxy-url": proxy.url})
    fake.create("default", event("one"))
    m = mount(kubeconfig=config)
    fake.create("default", event("two"))
    assert wait_for(lambda: len(m.files()) == 2)
    assert set(proxy.asked) == {name if kind == "socks5" else f"CONNECT {name} HTTP/1.1"} and users(fake) == {"fake-admin"}
    proxy.close()


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_proxy_of_the_environment(fake, mount, scratch, kind):
    proxy = open_proxy(fake, kind)
    config, name = behind(fake, scratch)
    m = mount(kubeconfig=config, environment={"HTTPS_PROXY": proxy.url, "HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "example.com,.svc.cluster.local"})
    assert "default" in os.listdir(m.dir) and name in proxy.asked[0]
    proxy.close()


def test_proxy_that_is_not_for_this_server(fake, mount, refused, scratch):  # noqa: F811
    """NO_PROXY; and loopback needs none."""
    proxy = open_proxy(fake, "http")
    environment = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "other,default.svc"}
    config, name = behind(fake, scratch)
    one_line(refused(kubeconfig=config, environment=environment), f"https://{name}")
    assert "default" in os.listdir(mount(fake, environment={"HTTPS_PROXY": "http://127.0.0.1:1"}).dir)
    assert proxy.asked == []
    proxy.close()


def test_proxy_that_refuses(fake, refused, scratch):  # noqa: F811
    proxy = open_proxy(fake, "http", credential="me:hunter2")
    bare = proxy.url.replace("me:hunter2@", "")
    config, name = behind(fake, scratch, **{"proxy-url": bare})
    said = one_line(refused(kubeconfig=config), f"https://{name}", f" through the proxy {bare} (proxy-url): ", "407")
    assert "hunter2" not in said
    # The environment's, as it is called there.
    for variable in ("HTTPS_PROXY", "https_proxy"):
        one_line(refused(kubeconfig=behind(fake, scratch)[0], environment={variable: bare}), f" through the proxy {bare} ({variable}): ", "407")
    proxy.close()


def test_proxy_of_a_plain_server(fake, mount, scratch):
    where = urllib.parse.urlsplit(fake.plain)
    proxy = Proxy("http", (where.hostname, where.port))
    m = mount(source=f"http://api.example:{where.port}", environment={"HTTP_PROXY": proxy.url})
    assert "default" in os.listdir(m.dir) and proxy.asked[0].startswith(f"GET http://api.example:{where.port}/")
    proxy.close()


def test_path_prefix(fake, mount, scratch):
    """As Rancher has it: all of the API is below a path."""
    fake.order("config", prefix="/k8s/clusters/c-1")
    fake.bulk([("create", "events", "default", event("one"))])
    for prefix in ("/k8s/clusters/c-1", "/k8s//clusters/./c-1/"):
        m = mount(kubeconfig=configure(fake, scratch / "config", certificate(fake), server=fake.url + prefix))
        assert len(m.files()) == 1
        m.close()


def test_server_with_an_ipv6_address(start_fake, mount):
    """[::1], in the kubeconfig and as a URL."""
    try:
        fake = start_fake("-listen", "[::1]:0", "-plain", "[::1]:0")
    except AssertionError:
        pytest.skip("no IPv6 here")
    fake.create("default", event("one"))
    assert "[::1]" in fake.url
    for m in (mount(fake), mount(source=fake.plain)):
        fake.order("end")
        assert len(m.files()) == 1
    assert users(fake) == {"fake-admin", "system:anonymous"}


# On the real control plane

RBAC = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: kevfs-reader, namespace: default}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: kevfs-nobody, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: kevfs-reader}
rules:
- {apiGroups: [""], resources: [events, pods, namespaces], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: kevfs-reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kevfs-reader}
subjects:
- {kind: ServiceAccount, name: kevfs-reader, namespace: default}
- {kind: User, name: bob, apiGroup: rbac.authorization.k8s.io}
- {kind: Group, name: kevfs-readers, apiGroup: rbac.authorization.k8s.io}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: kevfs-impersonator}
rules:
- {apiGroups: [""], resources: [users], verbs: [impersonate], resourceNames: [bob, carol]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: kevfs-impersonator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kevfs-impersonator}
subjects:
- {kind: ServiceAccount, name: kevfs-nobody, namespace: default}
"""


@pytest.fixture
def accounts(real):
    """Two service accounts: one that may read, and one that may do nothing but act as bob or carol, of whom bob may read."""
    real.kubectl("apply", "-f", "-", input=RBAC.encode())
    return real


def token(real, account):
    return real.kubectl("create", "token", account).stdout.decode().strip()


def login(real, scratch, account):
    """A plugin that a person could write."""
    path = scratch / f"login-{account}"
    path.write_text(f"""#!/bin/sh
token=$({find_kubectl()} --kubeconfig {real.kubeconfig} create token {account}) || exit 1
printf '{{"kind":"ExecCredential","apiVersion":"{V1}","status":{{"token":"%s"}}}}\\n' "$token"
""")
    path.chmod(0o755)
    return {"exec": {"apiVersion": V1, "command": str(path), "interactiveMode": "Never"}}


DENIED = 'cannot list resource "events" in API group "" at the cluster scope'


def assert_reads(m, real):
    """It shows what the server has, and follows."""
    made = real.create("default", event())
    assert wait_for(lambda: os.path.exists(m.path(f"default/events/{made['metadata']['name']}")), 20)


def test_real_client_certificate(real, mount, scratch):
    assert_reads(mount(kubeconfig=configure(real, scratch / "config", certificate(real))), real)


def test_real_service_account(accounts, mount, refused, scratch):  # noqa: F811
    (scratch / "token").write_text(token(accounts, "kevfs-reader"))
    assert_reads(mount(kubeconfig=configure(accounts, scratch / "config", {"tokenFile": "token"})), accounts)
    assert_reads(mount(kubeconfig=configure(accounts, scratch / "config", {"token": token(accounts, "kevfs-reader")})), accounts)
    one_line(refused(kubeconfig=configure(accounts, scratch / "config", {"token": token(accounts, "kevfs-nobody")})), f'User "system:serviceaccount:default:kevfs-nobody" {DENIED}')


def test_real_exec_plugin(accounts, mount, refused, scratch):  # noqa: F811
    assert_reads(mount(kubeconfig=configure(accounts, scratch / "config", login(accounts, scratch, "kevfs-reader"))), accounts)
    one_line(refused(kubeconfig=configure(accounts, scratch / "config", login(accounts, scratch, "kevfs-nobody"))), f'User "system:serviceaccount:default:kevfs-nobody" {DENIED}')
    one_line(refused(kubeconfig=configure(accounts, scratch / "config", login(accounts, scratch, "kevfs-missing"))), "exec plugin", "ends with status 1", '"kevfs-missing" not found')


def test_real_exec_plugin_with_a_certificate(real, mount, scratch):
    plugin = Plugin(scratch)
    plugin.prints(clientCertificateData=open(real.cert, encoding="ascii").read(), clientKeyData=open(real.key, encoding="ascii").read())
    assert_reads(mount(kubeconfig=configure(real, scratch / "config", plugin.user())), real)


def test_real_impersonation(accounts, session, mount, refused, scratch):  # noqa: F811
    nobody = {"token": token(accounts, "kevfs-nobody")}
    assert_reads(mount(kubeconfig=configure(accounts, scratch / "config", {**nobody, "as": "bob"})), accounts)
    one_line(refused(kubeconfig=configure(accounts, scratch / "config", {**nobody, "as": "carol"})), f'User "carol" {DENIED}')
    one_line(refused(kubeconfig=configure(accounts, scratch / "config", {**nobody, "as": "dave"})), 'the kubeconfig\'s as: dave: we may not act as that user: User "system:serviceaccount:default:kevfs-nobody" cannot impersonate resource "users" in API group "" at the cluster scope; permit the verb impersonate, or remove as; more:')
    r = run(session.binary, "check", "-", check=False, env={**session.environment, "KUBECONFIG": str(scratch / "config")})
    assert r.returncode == 7 and b"failed   events        the kubeconfig's as: dave: " in r.stdout, r.stdout
    one_line(refused(kubeconfig=configure(accounts, scratch / "config", {**nobody, "as": "carol", "as-groups": ["kevfs-readers"]})), 'cannot impersonate resource "groups"')
    # Who may all may be anybody.
    assert_reads(mount(kubeconfig=configure(accounts, scratch / "config", {**certificate(accounts), "as": "carol", "as-uid": "7", "as-groups": ["kevfs-readers"], "as-user-extra": {"example.org/why": ["tests"]}})), accounts)
    one_line(refused(kubeconfig=configure(accounts, scratch / "config", {**certificate(accounts), "as": "carol"})), f'User "carol" {DENIED}')


# kevfs check

def test_check_with_a_plugin(session, fake, scratch, plugin):
    """It runs it, says whose token that is, or why there is none."""
    config = configure(fake, scratch / "config", plugin.user())

    def check():
        return run(session.binary, "check", "-o", f"kubeconfig={config},exec_timeout=5", "-", check=False, env=session.environment)
    plugin.prints(token="fake-token-1")
    said = check()
    assert said.returncode == 0 and f"the token that the exec plugin {plugin.path} prints".encode() in said.stdout, said
    assert plugin.runs() == 1
    plugin.does.write_text("echo no login >&2; exit 1")
    said = check()
    assert said.returncode == 7 and f"exec plugin {plugin.path}: ends with status 1: no login".encode() in said.stdout, said
