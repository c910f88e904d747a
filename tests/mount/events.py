"""Events for the tests: plain ones, and on the fake server what a real one's components write."""
import itertools
import time

counter = itertools.count()


def stamp(seconds=None):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def new_name(prefix="web-1"):
    """As recorders name events; two calls never give the same."""
    return f"{prefix}.{time.time_ns() + next(counter):x}"


def event(name=None, namespace="default", kind="Pod", about="web-1", api_version="v1", reason="Tested", message="a message", **more):
    """An event as a client sends it."""
    now = stamp()
    return {
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name or new_name(about or "x")},
        "involvedObject": {"kind": kind, "namespace": namespace, "name": about, "apiVersion": api_version},
        "reason": reason, "message": message, "type": "Normal", "source": {"component": "tests"}, "firstTimestamp": now, "lastTimestamp": now, "count": 1, "eventTime": None,
        "reportingComponent": "tests", "reportingInstance": "", **more,
    }


def imitate(fake):
    """What real components do with tests/cluster/workload.yaml, as far as the tests look at it."""
    fake.namespace("shop")
    for namespace, pod in (("default", "web-1"), ("default", "broken"), ("default", "nowhere"), ("shop", "web-85d6bd746c-l5lww"), ("shop", "badvol")):
        fake.pod(namespace, pod)
    fake.create("default", event(new_name("web-1"), reason="Started"))
    fake.create("default", event(new_name("broken"), about="broken", reason="BackOff", count=7))
    fake.create("default", event(new_name("node-1"), namespace="", kind="Node", about="node-1", api_version="", reason="Starting"))
    fake.create("shop", event(new_name("web"), "shop", "Deployment", "web", "apps/v1", reason="ScalingReplicaSet"))
    fake.create("shop", event(new_name("web-85d6bd746c"), "shop", "ReplicaSet", "web-85d6bd746c", "apps/v1", reason="SuccessfulCreate"))
    scheduled = event(new_name("badvol"), "shop", about="badvol", reason="Scheduled", eventTime=stamp()[:-1] + ".123456Z", action="Binding", reportingInstance="scheduler-1")
    scheduled["firstTimestamp"] = scheduled["lastTimestamp"] = None
    scheduled["source"] = {}
    del scheduled["count"]
    fake.create("shop", scheduled)
