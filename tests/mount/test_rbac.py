"""What RBAC permits is what is shown, on the real API server: kubectl says what that is. A control plane of its own, since roles come and
go, and hundreds of namespaces with them."""
import json
import os
import pathlib

import pytest

from conftest import available
from events import event
from reports import status
from servers import Real, wait_for
from test_access import ASKED, BELIEVED, is_denied
from test_refusals import one_line

MANY = 300

pytestmark = pytest.mark.xdist_group("rbac")


@pytest.fixture(scope="module")
def cluster(workspace):
    server = available(lambda: Real(workspace.new_directory("rbac")))
    try:
        yield server
    finally:
        server.close()


def apply(cluster, *objects):
    cluster.kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}).encode(), timeout=120)


def rules(*resources):
    return [{"apiGroups": [""], "resources": list(resources), "verbs": ["list", "watch"]}]


def role(namespace, name, *resources):
    """The objects by which the account may list and watch these, there."""
    meta = {"name": name, "namespace": namespace}
    return [{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta, "rules": rules(*resources)},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}, "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}]}]


def cluster_role(name, *resources):
    meta = {"name": name}
    return [{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules(*resources)},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": meta,
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}, "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}]}]


@pytest.fixture
def account(cluster, scratch):
    """make(name): a service account without rights, and a kubeconfig of its own."""
    def make(name, namespace=None):
        cluster.kubectl("create", "serviceaccount", name)
        token = cluster.kubectl("create", "token", name, "--duration", "2h").stdout.decode()
        config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json").stdout)
        config["users"][0]["user"] = {"token": token}
        if namespace:
            config["contexts"][0]["context"]["namespace"] = namespace
        (scratch / name).write_text(json.dumps(config))
        return str(scratch / name)
    return make


def connections(m):
    """How many TCP connections the daemon has."""
    pid, sockets = m.pid(), set()
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(fd))
        except FileNotFoundError:
            pass
    rows = [line.split() for line in pathlib.Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return sum(f"socket:[{row[9]}]" in sockets and row[3] == "01" for row in rows)


def can_list(cluster, name, namespace, resource="events"):
    """As kubectl has it."""
    r = cluster.kubectl("auth", "can-i", "list", resource, "-n", namespace, "--as", f"system:serviceaccount:default:{name}", check=False)
    return r.stdout.strip() == b"yes"


def expected(cluster, name, namespace):
    """What kubectl lists there; None where it may not."""
    if not can_list(cluster, name, namespace):
        return None
    return sorted(e["metadata"]["name"] for e in json.loads(cluster.kubectl("get", "events", "-n", namespace, "-o", "json").stdout)["items"])


def shown(m, namespace):
    return None if is_denied(m, namespace) else sorted(os.listdir(m.path(namespace, "events")))


def agree(cluster, m, name, *namespaces, seconds=30):
    """What is shown is what kubectl says, at one of several looks: real components go on writing."""
    for namespace in namespaces or [n["metadata"]["name"] for n in cluster.get("/api/v1/namespaces")["items"]]:
        assert wait_for(lambda n=namespace: shown(m, n) == expected(cluster, name, n), seconds, 0.5), (namespace, shown(m, namespace), expected(cluster, name, namespace))


@pytest.mark.timeout(180)
def test_roles_in_two_namespaces(cluster, account, mount):
    for namespace in ("left", "right", "other"):
        cluster.namespace(namespace)
        cluster.create(namespace, event("e", namespace))
    config = account("two")
    apply(cluster, *role("left", "two", "events", "pods"), *role("right", "two", "events"))
    # Namespaces may not be listed, and that of the context may not be seen: the reason, and what helps.
    said = one_line(mount(kubeconfig=config, refused=True, background=True))
    assert 'cannot list resource "events" in API group "" at the cluster scope' in said and "nor may those of namespace default; -o namespace=" in said
    m = mount(None, "namespace=left", "namespace=right", kubeconfig=config)
    assert m.members() == ["left", "right"]
    agree(cluster, m, "two", "left", "right")
    # With the names, all of them are known.
    apply(cluster, *cluster_role("two", "namespaces"))
    m = mount(kubeconfig=config)
    assert {"left", "right", "other", "default", "shop"} <= set(m.members())
    agree(cluster, m, "two")
    cluster.create("left", event("live", "left"))
    assert wait_for(lambda: "live" in os.listdir(m.path("left/events")))


@pytest.mark.timeout(180)
def test_the_contexts_namespace(cluster, account, mount):
    cluster.namespace("mine")
    cluster.create("mine", event("e", "mine"))
    config = account("own", "mine")
    apply(cluster, *role("mine", "own", "events", "pods"))
    m = mount(kubeconfig=config)
    assert m.members() == ["mine"]
    agree(cluster, m, "own", "mine")


@pytest.mark.timeout(180)
def test_cluster_role_without_namespaces(cluster, account, mount):
    """Namespaces and pods are those that events mention."""
    cluster.namespace("quiet")
    config = account("all")
    apply(cluster, *cluster_role("all", "events"))
    m = mount(kubeconfig=config)
    assert "quiet" not in m.members() and {"default", "shop"} <= set(m.members())
    assert m.settle(cluster, 40) > 0


@pytest.mark.timeout(180)
def test_namespace_that_is_not_there(cluster, account, mount):
    config = account("typist")
    apply(cluster, *cluster_role("typist", "events"))
    assert mount(None, "namespace=mistyped", kubeconfig=config, background=True).said().count("there is no") == 0
    cluster.kubectl("create", "clusterrole", "getter", "--verb", "get", "--resource", "namespaces")
    cluster.kubectl("create", "clusterrolebinding", "getter", "--clusterrole", "getter", "--serviceaccount", "default:typist")
    m = mount(None, "namespace=mistyped", "namespace=default", kubeconfig=config, background=True)
    assert m.said().count("there is no namespace mistyped") == 1 and "namespace default" not in m.said()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_role_goes_and_comes(cluster, account, mount):
    """A watch that runs is never asked again whether it may: so the API server is ended, and started again. It refuses everybody at
    first, and that must not be taken for the truth."""
    for namespace in ("kept", "lost", "other"):
        cluster.namespace(namespace)
        cluster.create(namespace, event("e", namespace))
    config = account("worker")
    apply(cluster, *cluster_role("worker", "namespaces"), *role("kept", "worker", "events"), *role("lost", "worker", "events"))
    m = mount(kubeconfig=config)
    agree(cluster, m, "worker", "kept", "lost", "other")
    cluster.kubectl("delete", "role", "worker", "-n", "lost")
    assert shown(m, "lost") == ["e"]
    again = cluster.kill_apiserver()
    assert shown(m, "kept") == shown(m, "lost") == ["e"]
    again()
    assert wait_for(lambda: is_denied(m, "lost"), BELIEVED, 0.1)
    # Beside it, nothing is missing for a moment.
    assert shown(m, "kept") == ["e"]
    assert wait_for(lambda: not status(m)["stale"], 20)
    agree(cluster, m, "worker", "kept", "lost", "other")
    cluster.create("lost", event("meanwhile", "lost"))
    apply(cluster, *role("lost", "worker", "events"))
    assert wait_for(lambda: not is_denied(m, "lost"), ASKED, 0.5)
    agree(cluster, m, "worker", "kept", "lost", "other")


@pytest.mark.timeout(300)
def test_restart_takes_nothing_away(cluster, account, mount):
    """However long the server refuses while it starts."""
    config = account("steady")
    apply(cluster, *cluster_role("steady", "events", "pods", "namespaces"))
    m = mount(kubeconfig=config)
    before = set(m.events())
    again = cluster.kill_apiserver()
    again()
    while status(m)["stale"]:
        assert before <= set(m.events())
    assert m.settle(cluster, 40)


@pytest.mark.timeout(300)
def test_many_namespaces(cluster, account, mount):
    """150 watches, and those of pods and namespaces, on two connections: the server gives each a hundred streams. Then 300."""
    config = account("many")
    objects = cluster_role("many", "namespaces", "pods")
    for i in range(150):
        cluster.namespace(f"many-{i:03}")
        objects += role(f"many-{i:03}", "many", "events")
    apply(cluster, *objects)
    m = mount(kubeconfig=config)
    assert wait_for(lambda: not status(m)["stale"], 30)
    assert connections(m) == 2
    for i in range(150):
        cluster.create(f"many-{i:03}", event(f"e-{i}", f"many-{i:03}"))
    assert wait_for(lambda: all(os.listdir(m.path(f"many-{i:03}/events")) == [f"e-{i}"] for i in range(150)), 20)
    assert connections(m) == 2 and is_denied(m, "kube-system")
    agree(cluster, m, "many", "many-000", "many-149", "default")
    for i in range(150, MANY):
        cluster.namespace(f"many-{i:03}")
    assert wait_for(lambda: os.path.isdir(m.path(f"many-{MANY - 1:03}")), 20) and is_denied(m, f"many-{MANY - 1:03}")
    assert wait_for(lambda: "max_watches is 250" in m.said())
    said = one_line(mount(kubeconfig=config, refused=True, background=True))
    assert "max_watches is 250" in said and "a ClusterRole that allows to list and watch events" in said
    m = mount(None, "max_watches=1000", kubeconfig=config)
    assert wait_for(lambda: not status(m)["stale"], 30) and connections(m) <= 4
    agree(cluster, m, "many", "many-149", f"many-{MANY - 1:03}")
