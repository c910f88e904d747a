"""The fake server against the real one: what a client sees of them is the same. No kevfs here."""
import base64
import gzip
import http.client
import itertools
import json
import ssl
import urllib.parse

import pytest

from events import event, new_name
from servers import Fake, wait_for

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
WATCH_LIST = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=3"


@pytest.fixture(params=["fake", "real"])
def api(request):
    """Either server; the fake one with a few events only."""
    chosen = request.getfixturevalue(request.param)
    if isinstance(chosen, Fake):
        chosen.load(300, namespaces=3, pods=5, makePods=True)
    return chosen


@pytest.fixture
def home(api):
    """A namespace that nobody else writes to."""
    return api.namespace(new_name("home").replace(".", "-"))


def escaped(**query):
    return urllib.parse.urlencode(query)


def shape(status):
    """Of a Status, what clients act upon."""
    return {k: status.get(k) for k in ("kind", "apiVersion", "status", "reason", "code")}


def test_version_is_json(api):
    assert api.get("/version")["major"] == "1"


def test_list_items_have_no_kind(api, home):
    api.create(home, event(namespace=home))
    listed = api.get(f"/api/v1/namespaces/{home}/events")
    assert listed["kind"] == "EventList" and listed["apiVersion"] == "v1"
    assert list(listed) == ["kind", "apiVersion", "metadata", "items"]
    [item] = listed["items"]
    assert "kind" not in item and "apiVersion" not in item
    one = api.get(f"/api/v1/namespaces/{home}/events/{item['metadata']['name']}")
    assert (one.pop("kind"), one.pop("apiVersion")) == ("Event", "v1") and one == item


def test_pages_cover_the_list_once(api, home):
    for i in range(7):
        api.create(home, event(f"page-{i}", home))
    names, path, counts = [], f"/api/v1/namespaces/{home}/events?limit=3", []
    token = None
    while True:
        page = api.get(path + (f"&{escaped(**{'continue': token})}" if token else ""))
        names += [i["metadata"]["name"] for i in page["items"]]
        counts.append(page["metadata"].get("remainingItemCount"))
        token = page["metadata"].get("continue")
        if not token:
            break
        api.create(home, event(f"page-{len(names)}-late", home))  # the pages stay as of the first
    assert names == [f"page-{i}" for i in range(7)] and counts == [4, 1, None]


def test_list_is_in_key_order(api):
    keys = [f"{e['metadata']['namespace']}/{e['metadata']['name']}".encode() for e in api.get("/api/v1/events")["items"]]
    assert keys == sorted(keys) and len(keys) > 50


def test_continue_with_resource_version_is_refused(api):
    token = api.get("/api/v1/events?limit=1")["metadata"]["continue"]
    status, _, body = api.request("GET", f"/api/v1/events?limit=1&resourceVersion=5&{escaped(**{'continue': token})}")
    assert status == 400 and "not allowed when using continue" in json.loads(body)["message"]
    assert json.loads(base64.urlsafe_b64decode(token + "=="))["v"] == "meta.k8s.io/v1"


@pytest.mark.parametrize("query, code, reason", [
    ("limit=x", 400, "BadRequest"), ("continue=x", 400, "BadRequest"), ("resourceVersion=x", 400, "BadRequest"), ("resourceVersionMatch=NotOlderThan", 422, "Invalid"),
    ("fieldSelector=x", 400, "BadRequest"), ("fieldSelector=foo%3Dbar", 400, "BadRequest"), ("fieldSelector=reason%3Da%3Db", 400, "BadRequest"), ("fieldSelector=reason%3Da%5Cb", 400, "BadRequest"),
    ("limit=1&resourceVersion=99999999&resourceVersionMatch=NotOlderThan", 504, "Timeout"), ("watch=1&resourceVersion=x", 500, None),
    ("watch=1&sendInitialEvents=true", 422, "Invalid"), ("watch=1&resourceVersionMatch=NotOlderThan", 422, "Invalid"),
])
def test_query_that_makes_no_sense(api, query, code, reason):
    status, headers, body = api.request("GET", "/api/v1/events?" + query)
    assert status == code and headers["Content-Type"] == "application/json"
    assert shape(json.loads(body)) == {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}


def test_too_large_resource_version_names_the_cause(api):
    _, _, body = api.request("GET", "/api/v1/events?limit=1&resourceVersion=99999999&resourceVersionMatch=NotOlderThan")
    assert json.loads(body)["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize("path", ["/api/v1/namespaces/default/events/no-such", "/api/v1/namespaces/no-such", "/api/v1/namespaces/default/pods/no-such", "/api/v1/no-such"])
def test_what_is_not_there(api, path):
    status, _, body = api.request("GET", path)
    assert status == 404 and shape(json.loads(body))["reason"] == "NotFound"


def test_paths_outside_the_api(api):
    for path in ("/no-such", "/apis/no.such", "/apis/no.such/v1"):
        status, headers, body = api.request("GET", path)
        assert (status, headers["Content-Type"].split(";")[0], body) == (404, "text/plain", b"404 page not found\n")


def test_events_of_a_namespace_that_is_not_there_are_none(api):
    assert api.get("/api/v1/namespaces/no-such/events")["items"] == []


def test_write_answers(api, home):
    body = event("w", home)
    api.create(home, body)
    path = f"/api/v1/namespaces/{home}/events"
    status, _, answer = api.request("POST", path, json.dumps(body).encode())
    assert status == 409 and json.loads(answer)["reason"] == "AlreadyExists"
    first = api.get(f"{path}/w")
    body["count"] = 2
    second = api.update(home, body)
    assert second["metadata"]["uid"] == first["metadata"]["uid"] and int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    api.delete(home, "w")
    assert api.request("DELETE", f"{path}/w")[0] == 404 and api.request("GET", f"{path}/w")[0] == 404
    assert api.request("POST", "/api/v1/namespaces/no-such/events", json.dumps(event("w", "no-such")).encode())[0] == 404


def test_watch_tells_each_change(api, home):
    rv = api.get(f"/api/v1/namespaces/{home}/events")["metadata"]["resourceVersion"]
    body = event("w", home)
    api.create(home, body)
    body["count"] = 2
    api.update(home, body)
    api.delete(home, "w")
    lines = list(itertools.islice(api.stream(f"/api/v1/namespaces/{home}/events?watch=1&resourceVersion={rv}&timeoutSeconds=5"), 3))
    assert [line["type"] for line in lines] == ["ADDED", "MODIFIED", "DELETED"] and [line["object"]["count"] for line in lines] == [1, 2, 2]
    assert all(list(line) == ["type", "object"] and (line["object"]["kind"], line["object"]["apiVersion"]) == ("Event", "v1") for line in lines)
    versions = [int(line["object"]["metadata"]["resourceVersion"]) for line in lines]
    assert int(rv) < versions[0] < versions[1] < versions[2]  # a deletion has one of its own


def test_watch_without_resource_version_begins_with_what_there_is(api, home):
    api.create(home, event("old", home))
    [line] = itertools.islice(api.stream(f"/api/v1/namespaces/{home}/events?watch=1&timeoutSeconds=3"), 1)
    assert line["type"] == "ADDED" and line["object"]["metadata"]["name"] == "old"


def test_watch_ends_cleanly_in_time(api, home):
    assert list(api.stream(f"/api/v1/namespaces/{home}/events?watch=1&resourceVersion=0&timeoutSeconds=1")) == []


def test_watch_from_the_future_is_silent(api, home):
    api.create(home, event("now", home))
    assert list(api.stream(f"/api/v1/namespaces/{home}/events?watch=1&resourceVersion=99999999&timeoutSeconds=1")) == []


def test_watch_with_a_selector_sees_objects_come_and_go(api, home):
    rv = api.get(f"/api/v1/namespaces/{home}/events")["metadata"]["resourceVersion"]
    body = event("w", home, reason="a,b=c\\")
    api.create(home, body)
    for reason in ("Other", "a,b=c\\"):
        body["reason"] = reason
        api.update(home, body)
    selector = escaped(fieldSelector=r"reason=a\,b\=c\\,type!=Warning")
    lines = list(itertools.islice(api.stream(f"/api/v1/namespaces/{home}/events?watch=1&resourceVersion={rv}&timeoutSeconds=5&{selector}"), 3))
    assert [line["type"] for line in lines] == ["ADDED", "DELETED", "ADDED"]


def test_watch_list_ends_with_a_bookmark(api, home):
    names = [f"e{i}" for i in range(5)]
    for name in names:
        api.create(home, event(name, home))
    lines = list(itertools.islice(api.stream(f"/api/v1/namespaces/{home}/events?{WATCH_LIST}"), 6))
    assert [(line["type"], line["object"]["metadata"].get("name")) for line in lines] == [("ADDED", n) for n in names] + [("BOOKMARK", None)]
    mark = lines[-1]["object"]
    version = mark["metadata"].pop("resourceVersion")
    assert version.isdigit() and mark == {"kind": "Event", "apiVersion": "v1", "metadata": {"annotations": {"k8s.io/initial-events-end": "true"}}, "involvedObject": {}, "source": {},
                                          "firstTimestamp": None, "lastTimestamp": None, "eventTime": None, "reportingComponent": "", "reportingInstance": ""}


def test_watch_list_from_the_future_is_an_error(api):
    [line] = itertools.islice(api.stream(f"/api/v1/events?{WATCH_LIST}&resourceVersion=99999999"), 1)
    assert line["type"] == "ERROR" and line["object"]["code"] == 504 and line["object"]["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize("resource, kind", [("pods", "Pod"), ("namespaces", "Namespace")])
def test_metadata_only(api, resource, kind):
    listed = api.get(f"/api/v1/{resource}?resourceVersion=0&limit=1", headers={"Accept": PARTIAL.format("List")})
    assert listed["kind"] == "PartialObjectMetadataList" and listed["apiVersion"] == "meta.k8s.io/v1"
    assert len(listed["items"]) > 1 and "continue" not in listed["metadata"]  # the watch cache gives all at once
    assert all(list(i) == ["kind", "apiVersion", "metadata"] and i["kind"] == "PartialObjectMetadata" for i in listed["items"])
    lines = list(itertools.islice(api.stream(f"/api/v1/{resource}?{WATCH_LIST}", {"Accept": PARTIAL.format("")}), len(listed["items"]) + 1))
    assert [line["object"]["kind"] for line in lines] == ["PartialObjectMetadata"] * len(lines)
    assert {line["object"]["metadata"].get("name") for line in lines[:-1]} >= {i["metadata"]["name"] for i in listed["items"][:5]}
    assert api.get(f"/api/v1/{resource}?limit=1")["kind"] == kind + "List"


@pytest.mark.parametrize("selector, wanted", [
    ("reason=Odd", ["odd"]), ("reason==Odd", ["odd"]), ("reason!=Odd", ["even", "plain"]), ("involvedObject.name=x,type=Warning", ["even"]), ("type=Normal,reason!=Odd", ["plain"]),
    ("metadata.name=plain", ["plain"]), ("source=tests", ["even", "odd", "plain"]), ("involvedObject.kind=Node", ["plain"]), ("reason=", []), (",", ["even", "odd", "plain"]),
])
def test_field_selectors(api, home, selector, wanted):
    for name, more in (("odd", {"reason": "Odd"}), ("even", {"type": "Warning", "about": "x"}), ("plain", {"kind": "Node"})):
        api.create(home, event(name, home, **more))
    listed = api.get(f"/api/v1/namespaces/{home}/events?{escaped(fieldSelector=selector)}")
    assert [i["metadata"]["name"] for i in listed["items"]] == wanted


def test_large_lists_are_compressed(api):
    path = "/api/v1/events"
    _, headers, packed = api.request("GET", path, headers={"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(packed))["items"]) > 50
    assert api.request("GET", path + "?limit=1", headers={"Accept-Encoding": "gzip"})[1]["Content-Encoding"] is None
    assert api.request("GET", path)[1]["Content-Encoding"] is None


def kinds(documents):
    return {(g["metadata"].get("name", ""), v["version"], r["resource"], r["responseKind"]["kind"], r["scope"]) for d in documents for g in d["items"] for v in g["versions"] for r in v["resources"]}


def test_discovery_is_the_real_one(fake, real):
    """Also that resources.tsv is complete."""
    found = []
    for server in (fake, real):
        documents = [server.get(path, headers={"Accept": V2}) for path in ("/api", "/apis")]
        assert [(d["kind"], d["apiVersion"]) for d in documents] == [("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")] * 2
        found.append({k for k in kinds(documents) if "example" not in k[0]})  # CRDs of other tests
    assert found[0] == found[1]


def test_legacy_discovery(api):
    assert api.get("/api")["versions"] == ["v1"]
    core = {r["name"]: r["kind"] for r in api.get("/api/v1")["resources"]}
    assert core["pods"] == "Pod" and core["pods/log"] == "Pod" and core["events"] == "Event"
    groups = {g["name"]: g["preferredVersion"]["version"] for g in api.get("/apis")["groups"]}
    assert groups["apps"] == "v1" and groups["autoscaling"] == "v2"
    assert api.get("/apis/apps")["kind"] == "APIGroup"
    assert {"name": "deployments", "kind": "Deployment"}.items() <= next(r for r in api.get("/apis/apps/v1")["resources"] if r["name"] == "deployments").items()


def test_discovery_knows_etags(api):
    for path in ("/api", "/apis"):
        status, headers, _ = api.request("GET", path, headers={"Accept": V2})
        assert status == 200 and headers["Content-Type"].replace(" ", "") == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        again, _, body = api.request("GET", path, headers={"Accept": V2, "If-None-Match": headers["ETag"]})
        assert again == 304 and body == b""


def test_who_has_no_credential(api):
    context = ssl.create_default_context(cafile=api.ca)
    where = urllib.parse.urlsplit(api.url)
    for headers, code, message in (({}, 403, 'events is forbidden: User "system:anonymous" cannot list resource "events" in API group "" at the cluster scope'),
                                   ({"Authorization": "Bearer wrong"}, 401, "Unauthorized")):
        connection = http.client.HTTPSConnection(where.hostname, where.port, timeout=10, context=context)
        connection.request("GET", "/api/v1/events", headers=headers)
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["message"]) == (code, message)
        connection.close()


def test_kubectl_reads_it(api, home):
    api.create(home, event("for-kubectl", home))
    one = json.loads(api.kubectl("get", "event", "for-kubectl", "-n", home, "-o", "json").stdout)
    assert one["kind"] == "Event" and one["metadata"]["name"] == "for-kubectl" and "managedFields" not in one["metadata"]
    assert home.encode() in api.kubectl("get", "ns").stdout
    assert len(api.kubectl("get", "pods", "-A").stdout.splitlines()) > 5
    assert (home, "for-kubectl") in api.oracle()


def test_deleting_a_namespace_takes_its_events(api):
    name = api.namespace(new_name("gone").replace(".", "-"))
    api.create(name, event(namespace=name))
    api.delete_namespace(name)
    assert wait_for(lambda: api.request("GET", f"/api/v1/namespaces/{name}")[0] == 404, 20, 0.2)
    assert api.get(f"/api/v1/namespaces/{name}/events")["items"] == []


# Of the fake alone: what it does beyond a real one

def test_fake_keeps_bytes(fake):
    body = b'{"metadata":{"name":"raw","x":"\xff\xfe"},"f":1.50,"big":123456789012345678901234567890,"twice":1,"twice":2,"involvedObject":{"namespace":"default"}}'
    fake.bulk([("create", "events", "default", body)])
    _, _, listed = fake.request("GET", "/api/v1/namespaces/default/events")
    for piece in (b'"x":"\xff\xfe"', b'"f":1.50', b'"big":123456789012345678901234567890', b'"twice":1,"twice":2'):
        assert piece in listed


def test_fake_speaks_http1_without_tls(fake):
    status, _, body = fake.request("GET", "/api/v1/namespaces", url=fake.plain)
    assert status == 200 and json.loads(body)["kind"] == "NamespaceList"
    assert fake.requests(resource="namespaces")[0]["proto"] == "HTTP/1.1"


def test_fake_refuses_a_compacted_watch(fake):
    rv = fake.get("/api/v1/events")["metadata"]["resourceVersion"]
    fake.create("default", event())
    fake.order("compact")
    [line] = fake.stream(f"/api/v1/events?watch=1&resourceVersion={rv}&timeoutSeconds=2")
    assert line["type"] == "ERROR" and (line["object"]["code"], line["object"]["reason"]) == (410, "Expired")


def test_fake_expires_continue_tokens(fake):
    fake.load(10)
    token = fake.get("/api/v1/events?limit=4")["metadata"]["continue"]
    fake.create("default", event())
    fake.get("/api/v1/events?limit=4")  # another snapshot
    fake.order("compact")
    status, _, body = fake.request("GET", f"/api/v1/events?limit=4&{escaped(**{'continue': token})}")
    answer = json.loads(body)
    assert status == 410 and answer["reason"] == "Expired"
    assert len(fake.get(f"/api/v1/events?limit=50&{escaped(**{'continue': answer['metadata']['continue']})}")["items"]) == 6


def test_fake_goes_back_in_time(fake):
    fake.order("save")
    before = fake.order("stats", "GET")["rv"]
    fake.create("default", event("later"))
    fake.order("restore")
    assert fake.order("stats", "GET")["rv"] == before and fake.events() == {}


@pytest.mark.parametrize("fault, expected", [
    ({"action": "status", "code": 429, "retryAfter": 7}, "429 7 text/plain; charset=utf-8 Too many requests, please try again later.\n"),
    ({"action": "status", "code": 500, "body": "oops"}, "500 None text/plain; charset=utf-8 oops"),
    ({"action": "empty"}, "200 None application/json "),
    ({"action": "type", "body": "text/html"}, "200 None text/html {"),
    ({"action": "end", "afterBytes": 10}, '200 None application/json {"kind":"E'),
    ({"action": "cut", "afterBytes": 10}, "IncompleteRead"),
    ({"action": "close"}, "RemoteDisconnected"),
    ({"action": "reset"}, "ConnectionResetError RemoteDisconnected"),
    ({"action": "rv", "body": "zz"}, '200 None application/json {"kind":"EventList","apiVersion":"v1","metadata":{"resourceVersion":"zz"'),
    ({"action": "stall", "seconds": 0.2, "afterBytes": 5}, '200 None application/json {"kind":"EventList"'),
    ({"action": "inject", "body": "XX", "afterBytes": 2}, '200 None application/json {"XXkind"'),
    ({"action": "drip", "seconds": 0.001, "chunk": 200}, '200 None application/json {"kind":"EventList"'),
])
def test_fake_faults(fake, fault, expected):
    fake.load(5)
    path = "/api/v1/events"
    with fake.fault(verb="list", resource="events", times=2, **fault) as f:
        try:
            status, headers, body = fake.request("GET", path)
            seen = f"{status} {headers['Retry-After']} {headers['Content-Type']} {body.decode(errors='replace')}"
            assert seen == expected if fault["action"] in ("status", "empty", "end") else seen.startswith(expected)
        except Exception as e:
            if isinstance(e, AssertionError):
                raise
            assert type(e).__name__ in expected
        assert f.acted() >= 1
    assert len(fake.events()) == 5


def test_fake_error_in_a_stream(fake):
    rv = fake.get("/api/v1/events")["metadata"]["resourceVersion"]
    for _ in range(3):
        fake.create("default", event())
    with fake.fault("error", verb="watch", code=500, afterLines=2):
        lines = list(fake.stream(f"/api/v1/events?watch=1&resourceVersion={rv}&timeoutSeconds=5"))
    assert [line["type"] for line in lines] == ["ADDED", "ADDED", "ERROR"] and lines[-1]["object"]["code"] == 500


def test_fake_outage_keeps_its_state(fake):
    fake.load(5)
    fake.order("outage", seconds=0.3)
    with pytest.raises(OSError):
        fake.connect().connect()
    def answers():
        try:
            return len(fake.events()) == 5
        except OSError:
            return False
    assert wait_for(answers, 5)


def test_fake_storm_is_seen_by_watches(fake):
    rv = fake.order("load", events=10)["rv"]
    done = fake.order("storm", changes=500, events=50)
    lines = list(itertools.islice(fake.stream(f"/api/v1/events?watch=1&resourceVersion={rv}&timeoutSeconds=5"), 500))
    assert len(lines) == done["changes"] == 500 and {line["type"] for line in lines} == {"ADDED", "MODIFIED", "DELETED"}
    state = {}
    for line in lines:
        key = line["object"]["metadata"]["name"]
        if line["type"] == "DELETED":
            assert state.pop(key)
        else:
            assert (key in state) == (line["type"] == "MODIFIED")
            state[key] = line["object"]
    assert state.items() <= {k[1]: {"kind": "Event", "apiVersion": "v1", **e} for k, e in fake.events().items()}.items()
