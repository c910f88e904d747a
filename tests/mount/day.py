"""A day of a cluster's events, to be told faster than it happens: what came to be, repeated, and expired after its hour."""
import collections
import itertools
import json
import random
import time

HOUR = 3600
START = 1795737600  # 2026-11-27T00:00:00Z
NAMESPACES, PODS = 6, 10

TEXT = ('{"metadata":{"name":"%(name)s","namespace":"%(namespace)s","uid":"%(uid)s","resourceVersion":"%(version)d","creationTimestamp":"%(born)s","managedFields":[{"manager":"kubelet",'
        '"operation":"Update","apiVersion":"v1","time":"%(now)s"}]},"involvedObject":{"kind":"Pod","namespace":"%(namespace)s","name":"%(pod)s","uid":"%(about)s","apiVersion":"v1"},'
        '"reason":"%(reason)s","message":"%(message)s","source":{"component":"kubelet","host":"node-%(node)d"},"firstTimestamp":"%(born)s","lastTimestamp":"%(now)s","count":%(count)d,'
        '"type":"%(type)s","eventTime":null,"reportingComponent":"kubelet","reportingInstance":"node-%(node)d"}')
REASONS = ("Scheduled", "Pulling", "Pulled", "Created", "Started", "Killing", "BackOff", "Unhealthy", "FailedMount")


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Day:
    """Changes in their order, so many in each of its seconds. Of three, one is a new event and two are updates of one of the last
    thousands; each is deleted an hour after it was written last, as an API server does it."""

    def __init__(self, per_second, seed=1):
        self.per_second, self.random = per_second, random.Random(seed)
        self.now = float(START)
        self.versions = itertools.count(1)
        self.alive = collections.OrderedDict()  # name → what it says, the one that was written longest ago first

    def write(self, name, state):
        state["version"], state["now"], state["written"] = next(self.versions), stamp(self.now), self.now
        self.alive[name] = state
        self.alive.move_to_end(name)
        return state["namespace"], TEXT % state

    def create(self):
        i = self.random.randrange(NAMESPACES * PODS)
        pod = f"app-{i % PODS}-6c8d9f7b5c-x{i:05}"
        name = f"{pod}.{int(self.now * 1e9) + self.random.randrange(1000):x}"
        reason = self.random.choice(REASONS)
        return name, self.write(name, {
            "name": name, "namespace": f"team-{i % NAMESPACES}", "pod": pod, "uid": f"{self.random.getrandbits(64):016x}", "about": f"pod-{i}", "born": stamp(self.now), "reason": reason,
            "type": "Warning" if reason in REASONS[6:] else "Normal", "node": i % 50, "count": 1, "message": f"{reason} of {pod} " + "and so on, " * self.random.randrange(12)})

    def changes(self, seconds):
        """("create" | "update" | "delete", namespace, name, text of it, when) of the seconds that come."""
        end = self.now + seconds
        recent = collections.deque(itertools.islice(reversed(self.alive), 3000), 6000)
        while self.now < end:
            self.now += 1 / self.per_second
            while self.alive and next(iter(self.alive.values()))["written"] < self.now - HOUR:
                name, state = self.alive.popitem(last=False)
                yield "delete", state["namespace"], name, TEXT % {**state, "version": next(self.versions)}, self.now
            name = self.random.choice(recent) if recent and self.random.random() < 2 / 3 else None
            if name in self.alive:
                state = self.alive[name]
                state["count"] += 1
                yield "update", state["namespace"], name, self.write(name, state)[1], self.now
            else:
                name, (namespace, text) = self.create()
                recent.append(name)
                yield "create", namespace, name, text, self.now

    def pods(self):
        return [(f"team-{i % NAMESPACES}", f"app-{i % PODS}-6c8d9f7b5c-x{i:05}") for i in range(NAMESPACES * PODS)]


def line(op, text):
    """As a watch tells a change."""
    kind = {"create": "ADDED", "update": "MODIFIED", "delete": "DELETED"}[op]
    return f'{{"type":"{kind}","object":{text}}}\n'


def order(op, namespace, name, text):
    """As the fake server's /bulk takes it (tests/fake/control.go)."""
    head = f'{{"op":"{op}","resource":"events","namespace":"{namespace}"'
    return head + (f',"name":{json.dumps(name)}}}' if op == "delete" else f',"object":{text}}}')
