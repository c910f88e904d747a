"""Events that anyone who may create an Event can create, and that a real server accepts: names, objects, kinds and texts that try
to leave their directory, to hide, to take a name of ours, or to drive a terminal."""
from events import event

T = "18ead12a14b3bd3f"

NAMES = [
    "A b." + T, "x:y." + T, "Upper.CASE." + T, "line1\nline2." + T, "\n", "soh\x01." + T, "del\x7f." + T, "nel\u0085." + T, "csi\u009b31m." + T, "tab\t." + T, "esc\x1b[2J." + T,
    "...", "....." + T, ". ", ".hidden", ".kevfs", ".kevfs-x", ".events", "..data", "-rf", "-rf." + T, "--help", " ", "  ", " lead." + T, "trail ." + T, "events", "events.log", "by-reason",
    "*?[a]." + T, "$(id)`id`." + T, "'\"." + T, "\\", "a\\nb." + T, "~", "~." + T, "#!." + T, "a;b|c&d<e>." + T, "!" + T, "<b>&amp;." + T,
    "\u202egnp." + T, "\ufeffbom." + T, "\u200bzero." + T, "\u2028line." + T, "\u00e9." + T, "e\u0301." + T, "\u212b." + T, "\U0001f4a5." + T, "\ufffd." + T, "\U0010ffff." + T,
    "c" * 254, "c" * 255, "c" * 256, "c" * 257, "w" * 300 + "." + T, "w" * 300 + "." + T[:-1] + "e", "\u00e9" * 127, "\u00e9" * 128, "\x01" * 84 + "abc", "\x01" * 85, "\x01" * 86, "z" * 253 + "\n",
    "~" + "0" * 32, "_~" + "0" * 40, "con", "nul.txt", "lost+found", "a" * 40 + "." + T + "." + T,
]

OBJECTS = [
    "..", ".", "", "a/b", "/", "/etc/passwd", "../../etc/passwd", "../../../tmp/owned", "nul\x00byte", "\x00", "line1\nline2", "\x1b]0;title\x07", "o" * 255, "o" * 256, "o" * 300, "\u00e9" * 200,
    "events", ".kevfs", "by-node", "events.log", "web-1/", "web-1 ", "%2e%2e", "%", "%~", "a%2Fb", "ns:name", "default:web-1", ":", "a:b:c", "\u202egnp", " ", "-x", "~", "*",
]

KINDS = ["", ".", "..", "../x", "../../x", "Pod/log", "pod", "pods", "Pods", "events", "events.x", "by-reason", "Event", "Endpoints", "Gadget", "Two Words", "\u00c9t\u00e9", "line1\nline2", "k" * 255, "k" * 300,
         "\x00", "%70ods", "Pod.v1", ".kevfs", "shop:Pod"]

API_VERSIONS = ["", "v1", "apps/v1", "example.com/v1", "../..", "a/b/c", "/", "x/", "/v1", "\n/v1", "events.k8s.io/v1", "no-such.k8s.io/v1", "g" * 300 + "/v1"]

TEXTS = [
    "<a href='x'>&\u2028\u2029\x7f\ufeff \u00e9\U0001f389\\/\"", "".join(map(chr, range(32))) + "\x7f\x80\x9f", "\x1b[2J\x1b]0;owned\x07", "long " * 14000, "\n" * 500, "\ufffd\ufffe\uffff", "", "{\"kind\":\"Event\"}",
    "\r\n        }\n        {\n", "\u0000", "".join(map(chr, range(0x2020, 0x2030))), "\U0010ffff",
]


def bodies():
    """[(namespace, event)], all of different names."""
    found = [event(n, message="hostile name") for n in NAMES]
    for what, values in (("about", OBJECTS), ("kind", KINDS), ("api_version", API_VERSIONS), ("message", TEXTS), ("reason", TEXTS[:3])):
        found += [event(f"hostile-{what}-{i}.{T}", **{what: v}) for i, v in enumerate(values)]
    # The same object name under several kinds and spellings of a kind
    found += [event(f"same-{i}.{T}", kind=k, api_version=v) for i, (k, v) in enumerate([("Deployment", "apps/v1"), ("Deployment", ""), ("deployment", "apps/v1"), ("deployments", ""), ("Deployment", "other.io/v1")])]
    return found


def post(server):
    """Creates them all; returns {(namespace, name): event} of those that the server took."""
    wanted = bodies()
    refused = {e["metadata"]["name"] for e, _ in server.create_all("default", wanted)}
    return {("default", e["metadata"]["name"]): e for e in wanted if e["metadata"]["name"] not in refused}
