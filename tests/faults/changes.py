"""Events that change all the time, and that tell whether a text of them is whole."""
import contextlib
import http.client
import json
import random
import threading
import time
import zlib

from events import event, new_name

NAMESPACES = ["calm", "default", "storm"]
PAYLOAD = "abcdefghijklmnopqrstuvwxyz <&> \"quoted\" \\ \té€ "


def message(name, serial, rng):
    """A text of varying length that ends in its own checksum."""
    text = f"{name} {serial} {(PAYLOAD * 12)[:rng.randrange(12 * len(PAYLOAD))]}"
    return f"{text} {zlib.crc32(text.encode()):08x}"


def serial_of(text):
    """The number of a message; None if it is not whole, -1 if it is none of ours."""
    said, _, check = text.rpartition(" ")
    words = said.split(" ", 2)
    if len(words) < 2 or not words[1].isdigit() or "." not in words[0]:
        return -1
    return int(words[1]) if f"{zlib.crc32(said.encode()):08x}" == check else None


def is_whole(content):
    """Is that the whole JSON of an event?"""
    try:
        said = json.loads(content)
    except ValueError:
        return False
    return serial_of(said.get("message", "")) is not None


def printed(item):
    """What `kubectl get event NAME -o json` prints of a list's item of ours. (Whether it does is looked at, too.)"""
    item = {**item, "apiVersion": "v1", "kind": "Event", "metadata": {k: v for k, v in item["metadata"].items() if k != "managedFields"}}
    text = json.dumps(item, indent=4, sort_keys=True, ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode() + b"\n"


class Changer(threading.Thread):
    """Creates, updates and deletes events of a server, so many a second, but while it is held. What it wrote it remembers by
    number, with when: written[serial] = (namespace, name)."""

    def __init__(self, write, rng, rate=40, most=250):
        super().__init__(daemon=True)
        self.write, self.rng, self.rate, self.most = write, rng, rate, most
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.serial, self.alive, self.written, self.refused = 0, {}, [], 0

    def one(self):
        """One change, whose outcome is known, or it is as if it had not been."""
        turn = self.rng.randrange(10)
        keys = list(self.alive)
        if not keys or turn < 3 and len(keys) < self.most:
            namespace = self.rng.choice(NAMESPACES)
            self.put("create", namespace, new_name(f"pod-{self.rng.randrange(20)}"))
        elif turn < 8 and len(keys) < self.most + 20:
            self.put("update", *self.rng.choice(keys))
        else:
            key = self.rng.choice(keys)
            if self.write("delete", *key, None):
                self.alive.pop(key, None)

    def put(self, op, namespace, name):
        self.serial += 1
        pod = name.split(".")[0]
        body = event(name, namespace, about=pod, count=self.serial, message=message(name, self.serial, self.rng))
        if self.write(op, namespace, name, body):
            self.alive[namespace, name] = self.serial
            self.written.append(self.serial)

    def run(self):
        while not self.ended.wait(1 / self.rate):
            with self.lock:
                try:
                    self.one()
                except (AssertionError, OSError, http.client.HTTPException, ValueError):
                    self.refused += 1
                    time.sleep(0.02)

    @contextlib.contextmanager
    def held(self):
        with self.lock:
            yield

    def adopt(self, keys):
        """Of a server whose history is another now. To be called while it is held."""
        self.alive = dict.fromkeys(keys, 0)

    def end(self):
        self.ended.set()
        self.join(10)


def seeded(*what):
    return random.Random("/".join(map(str, what)))
