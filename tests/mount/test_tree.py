"""Which directories there are, and what they are called."""
import json
import os
import time

import pytest

from conftest import available
from events import event, new_name
from mounts import Mount
from servers import Fake, run, wait_for


@pytest.fixture(scope="module", autouse=True)
def aged(session, workspace):
    """A mount that the last test of this file wants to have grown old meanwhile: (server, mount, when it was made)."""
    server = available(lambda: Fake(workspace.new_directory("fake")))
    m = Mount(session, kubeconfig=server.kubeconfig)
    yield server, m, time.monotonic()
    m.close()
    server.close()


def names_of(server, resource):
    return {(i["metadata"].get("namespace"), i["metadata"]["name"]) for i in server.get(f"/api/v1/{resource}")["items"]}


def test_every_namespace_and_pod_is_a_directory(server, mount):
    m = mount(server)
    before = names_of(server, "namespaces"), names_of(server, "pods")
    missing = [n for _, n in before[0] if not os.path.isdir(m.path(n))] + [p for p in before[1] if not os.path.isdir(m.path(p[0], "pods", p[1], "events"))]
    still = names_of(server, "namespaces") | names_of(server, "pods")
    assert [p for p in missing if p in still] == []
    assert set(m.members()) - {n for _, n in before[0] | names_of(server, "namespaces")} == set()


def test_known_places(server, mount):
    m = mount(server)
    for place in ("shop/deployments/web/events", "shop/replicasets", "default/nodes/node-1/events", "default/pods/web-1/events", "default/pods/nowhere/events", "shop/pods"):
        assert os.path.isdir(m.path(place)), place
    for namespace in m.members():
        for resource in m.members(namespace):
            for about in os.listdir(m.path(namespace, resource)):
                assert m.members(namespace, resource, about) == ["events"]


def test_events_of_a_namespace(server, mount):
    m = mount(server)
    for namespace in m.members():
        link = m.path(namespace, "events")
        assert os.readlink(link) == f"../.kevfs/namespaces/{namespace}/events"
    want = {n for ns, n in server.events() if ns == "flood-1"}
    assert set(os.listdir(m.path("flood-1/events"))) == want and len(want) > 100
    for name in sorted(want)[:20]:
        flat = m.path("flood-1/events", name)
        [deep] = [p for p in (m.path("flood-1/pods", pod, "events", name) for pod in os.listdir(m.path("flood-1/pods"))) if os.path.exists(p)]
        assert os.path.samefile(flat, deep) and not os.path.islink(flat) and open(flat, "rb").read() == open(deep, "rb").read()


def test_kevfs_is_reached_by_name_and_never_listed(fake, mount):
    fake.create("default", event("one"))
    m = mount(fake)
    assert ".kevfs" not in os.listdir(m.dir) and os.path.isdir(m.path(".kevfs"))
    assert sorted(os.listdir(m.path(".kevfs/namespaces"))) == m.members()
    assert os.listdir(m.path(".kevfs/namespaces/default/events")) == ["one"]
    assert not os.path.exists(m.path(".kevfs/no-such")) and not os.path.exists(m.path("default/.kevfs"))
    assert os.path.samefile(m.path(".kevfs/.."), m.dir) and os.path.samefile(m.path("default/pods/../.."), m.dir)


def test_a_namespace_comes_and_goes(server, mount):
    m = mount(server)
    name = new_name("passing").replace(".", "-")
    assert not os.path.exists(m.path(name))  # the kernel remembers that
    server.namespace(name)
    assert wait_for(lambda: os.path.isdir(m.path(name)) and name in os.listdir(m.dir))
    assert os.listdir(m.path(name, "events")) == []
    server.create(name, event(namespace=name))
    assert wait_for(lambda: len(os.listdir(m.path(name, "events"))) == 1)
    server.delete_namespace(name)
    assert wait_for(lambda: not os.path.exists(m.path(name)) and name not in os.listdir(m.dir), 20)


def test_a_pod_comes_and_goes(server, mount):
    m = mount(server)
    home = server.namespace("podhome")
    place = m.path(home, "pods/passing/events")
    assert not os.path.exists(place)
    if not isinstance(server, Fake):
        wait_for(lambda: server.request("GET", f"/api/v1/namespaces/{home}/serviceaccounts/default")[0] == 200)
    server.pod(home, "passing")
    assert wait_for(lambda: os.path.isdir(place))
    if isinstance(server, Fake):  # a real pod goes on having events
        server.delete(home, "passing", "pods")
        assert wait_for(lambda: not os.path.exists(m.path(home, "pods/passing")))
        assert wait_for(lambda: m.members(home) == [])
    else:
        server.delete(home, "passing", "pods")


def test_an_object_stays_while_it_has_events(fake, mount):
    fake.pod("default", "web-1")
    fake.create("default", event("one"))
    m = mount(fake)
    fake.delete("default", "web-1", "pods")
    fake.create("default", event("two"))
    assert wait_for(lambda: sorted(os.listdir(m.path("default/pods/web-1/events"))) == ["one", "two"])
    for name in ("one", "two"):
        fake.delete("default", name)
    assert wait_for(lambda: m.members("default") == [])


# involvedObject (kind, apiVersion) -> the directory of its resource
RESOURCES = [
    ("Pod", "v1", "pods"), ("Pod", "", "pods"), ("Node", "", "nodes"), ("Deployment", "apps/v1", "deployments"), ("Deployment", "", "deployments"), ("Deployment", "apps/v1beta1", "deployments"),
    ("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"), ("HorizontalPodAutoscaler", "autoscaling/v1", "horizontalpodautoscalers"), ("Ingress", "networking.k8s.io/v1", "ingresses"),
    ("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"), ("Endpoints", "v1", "endpoints"), ("EndpointSlice", "discovery.k8s.io/v1", "endpointslices"), ("Lease", "coordination.k8s.io/v1", "leases"),
    ("Event", "v1", "%65vents"), ("Event", "events.k8s.io/v1", "%65vents"), ("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"), ("CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions"),
    ("pod", "v1", "pod"), ("Pods", "v1", "Pods"), ("PODS", "v1", "PODS"), ("pods", "v1", "%70ods"), ("Deployment", "v1", "Deployment"), ("Deployment", "other.io/v1", "Deployment.other.io"), ("Gadget", "", "Gadget"),
    ("Gadget", "no.such/v1", "Gadget.no.such"), ("", "v1", "%"), ("..", "v1", "%2E%2E"), ("a/b", "v1", "a%2Fb"), ("A.b", "v1", "A%2Eb"), ("events", "v1", "%65%76ents"), ("by-node", "", "%62y-node"), ("events", "x/v1", "%65vents.x"),
    ("Two Words", "v1", "Two Words"), ("Pod\n", "v1", "Pod%0A"),
]


def test_resources(server, mount):
    """Known kinds by their plural, bare where kube-apiserver ships the group; unknown ones verbatim, with their group."""
    home = server.namespace("kinds")
    wanted = {}
    for i, (kind, version, place) in enumerate(RESOURCES):
        sent = event(f"kind-{i}", home, kind, f"about-{i}", version)
        assert server.create_all(home, [sent]) == []
        wanted[f"kind-{i}"] = f"{place}/about-{i}"
    m = mount(server)
    found = {k[1]: os.fsdecode(os.path.relpath(os.path.dirname(os.path.dirname(path)), os.fsencode(m.path(home)))) for k, (path, _) in m.events().items() if k[0] == home}
    assert found == wanted


def test_what_is_ambiguous_stays_verbatim(fake, mount):
    """An empty apiVersion means core, then the shipped groups, then a match that is the only one."""
    for group in ("one.example.com", "two.example.com"):
        fake.order("resources", Group=group, Version="v1", Name="widgets", Kind="Widget", Singular="widget", Scope="Namespaced")
    fake.order("resources", Group="one.example.com", Version="v1", Name="gizmos", Kind="Gizmo", Singular="gizmo", Scope="Namespaced")
    fake.order("resources", Group="one.example.com", Version="v1", Name="deployments", Kind="Deployment", Singular="deployment", Scope="Namespaced")
    places = {("Widget", ""): "Widget", ("Widget", "two.example.com/v1"): "widgets.two.example.com", ("Gizmo", ""): "gizmos.one.example.com", ("Deployment", ""): "deployments",
              ("Deployment", "one.example.com/v1"): "deployments.one.example.com"}
    for i, (kind, version) in enumerate(places):
        fake.create("default", event(f"e{i}", kind=kind, about=f"o{i}", api_version=version))
    m = mount(fake)
    for i, place in enumerate(places.values()):
        assert os.listdir(m.path("default", place, f"o{i}", "events")) == [f"e{i}"]


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gadgets.example.com"},
    "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"},
             "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}]},
}


def define_gadgets(server):
    if isinstance(server, Fake):
        server.order("resources", Group="example.com", Version="v1", Name="gadgets", Kind="Gadget", Singular="gadget", Scope="Namespaced")
    else:
        server.kubectl("apply", "-f", "-", input=json.dumps(CRD).encode())
        assert wait_for(lambda: b"gadgets" in server.request("GET", "/apis/example.com/v1")[2], 20, 0.2)
        # The aggregated document follows a little later.
        accept = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}
        assert wait_for(lambda: b'"gadgets"' in server.request("GET", "/apis", headers=accept)[2], 20, 0.2)


def test_custom_resources(server, mount):
    """plural.group for what a CRD defines."""
    define_gadgets(server)
    home = server.namespace("custom")
    server.create(home, event("about-g", home, "Gadget", "g", "example.com/v1"))
    m = mount(server)
    assert os.listdir(m.path(home, "gadgets.example.com/g/events")) == ["about-g"]


@pytest.mark.parametrize("newest", ["v2beta1", "legacy"])
def test_older_discovery(fake, mount, newest):
    fake.order("config", discovery=newest)
    define_gadgets(fake)
    fake.create("default", event("d", kind="Deployment", about="d", api_version="apps/v1"))
    fake.create("default", event("g", kind="Gadget", about="g", api_version="example.com/v1"))
    m = mount(fake)
    assert m.members("default") == ["deployments", "gadgets.example.com"]


def test_discovery_that_is_forbidden(fake, mount):
    """Then the table of what every server has must do."""
    fake.create("default", event("d", kind="Deployment", about="d", api_version="apps/v1"))
    fake.create("default", event("g", kind="Gadget", about="g", api_version="example.com/v1"))
    with fake.fault("status", verb="discovery", code=403):
        m = mount(fake)
        assert m.members("default") == ["Gadget.example.com", "deployments"]


def test_an_object_of_another_namespace(fake, mount):
    """<ns>:<name>; an object that is really called so does not meet it."""
    cases = {"foreign": ("other", "web-1", "other:web-1"), "own": ("default", "web-1", "web-1"), "none": ("", "web-1", "web-1"), "fake": ("default", "other:web-1", "other%3Aweb-1"), "colons": ("a:b", "c:d", "a%3Ab:c:d"),
             "dots": ("..", "..", "..:..")}
    for name, (namespace, about, _) in cases.items():
        fake.create_raw("default", json.dumps(event(name, namespace, about=about)).encode())
    m = mount(fake)
    for name, (_, _, place) in cases.items():
        assert name in os.listdir(m.path("default/pods", place, "events")), sorted(os.listdir(m.path("default/pods")))


def test_an_object_that_moves_its_event(fake, mount):
    """An update may say another object; then the file stands there."""
    fake.create("default", event("mover", about="one"))
    m = mount(fake)
    fake.update("default", event("mover", about="two", kind="Node"))
    assert wait_for(lambda: os.path.exists(m.path("default/nodes/two/events/mover")) and not os.path.exists(m.path("default/pods")))
    assert m.settle(fake) == 1


def test_every_uid_that_bore_a_name(fake, mount):
    """A directory holds the events of all pods that were called so."""
    for i in range(3):
        sent = event(f"e{i}")
        sent["involvedObject"]["uid"] = f"uid-{i}"
        fake.create("default", sent)
    m = mount(fake)
    assert sorted(os.listdir(m.path("default/pods/web-1/events"))) == ["e0", "e1", "e2"]


def test_pods_and_namespaces_are_listed_as_metadata(fake, mount):
    fake.load(50, makePods=True)
    mount(fake)
    for resource in ("pods", "namespaces"):
        first = fake.requests(resource=resource)[0]
        assert "as=PartialObjectMetadata" in first["accept"] and "resourceVersion=0" in first["url"] or "sendInitialEvents" in first["url"], first
        for r in fake.requests(resource=resource, verb="watch"):
            assert "as=PartialObjectMetadata;" in r["accept"] and "gzip" not in r["acceptEncoding"]


def test_lists_come_in_pages_on_one_connection(fake, mount):
    """A good guest: pages of 5000 with gzip, never unpaged, all on one HTTP/2 connection, and no watch is compressed."""
    fake.load(12000, namespaces=4)
    m = mount(fake)
    assert len(m.files()) == 12000
    lists = fake.requests(verb="list", resource="events")
    assert [r["page"] for r in lists] == [1, 2, 2] and all("limit=5000" in r["url"] and "gzip" in r["acceptEncoding"] and r["proto"] == "HTTP/2.0" for r in lists)
    assert wait_for(lambda: fake.watching())
    seen = fake.requests()
    assert len({r["conn"] for r in seen}) == 1, {(r["conn"], r["url"]) for r in seen}
    assert all(r["agent"].startswith("kevfs/") for r in seen)
    assert all("gzip" not in r["acceptEncoding"] and "allowWatchBookmarks=true" in r["url"] and "timeoutSeconds=" in r["url"] for r in seen if r["verb"] == "watch")
    assert run("find", m.dir, "-type", "f", "-size", "0").stdout == b""


def test_a_kind_that_is_defined_after_the_mount(aged):
    """Discovery is asked again when an unknown kind turns up, but not in the first 30 s; the event waits for the answer, since a
    path never changes."""
    fake, m, born = aged
    time.sleep(max(0, born + 31 - time.monotonic()))
    define_gadgets(fake)
    fake.create("default", event("first", kind="Gadget", about="g", api_version="example.com/v1"))
    assert wait_for(lambda: "first" in os.listdir(m.path("default/events")))
    assert os.listdir(m.path("default/gadgets.example.com/g/events")) == ["first"]
    fake.create("default", event("no", kind="Nonesuch", about="n", api_version="example.com/v1"))
    assert wait_for(lambda: os.path.isdir(m.path("default/Nonesuch.example.com/n")))
    # Where a path has been seen, it stays.
    fake.order("resources", Group="example.com", Version="v1", Name="nonesuches", Kind="Nonesuch", Singular="nonesuch", Scope="Namespaced")
    fake.create("default", event("yes", kind="Nonesuch", about="n", api_version="example.com/v1"))
    assert wait_for(lambda: sorted(os.listdir(m.path("default/Nonesuch.example.com/n/events"))) == ["no", "yes"])
