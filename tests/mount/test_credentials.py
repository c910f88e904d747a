"""Who we are for the server, and whom we act as: as kubectl has it."""
import json
import os

from events import event
from servers import wait_for


def configure(api, path, user, **cluster):
    """A kubeconfig of one context for that server: its user as given, and more of its cluster."""
    config = json.loads(api.kubectl("config", "view", "--raw", "--minify", "-o", "json").stdout)
    config["users"][0]["user"] = user
    config["clusters"][0]["cluster"].update(cluster)
    path.write_text(json.dumps(config))
    return str(path)


def certificate(server):
    """The user that the server's own kubeconfig has."""
    return {"client-certificate": server.cert, "client-key": server.key}


# Impersonation

def test_impersonation_goes_with_every_request(fake, mount, scratch):
    user = {**certificate(fake), "as": "bob", "as-uid": "7", "as-groups": ["dev", "ops"], "as-user-extra": {"Scopes/x": ["view", "a b"]}}
    fake.create("default", event("one"))
    m = mount(kubeconfig=configure(fake, scratch / "config", user))
    fake.create("default", event("two"))
    assert wait_for(lambda: len(m.files()) == 2)
    expected = {"Impersonate-User": ["bob"], "Impersonate-Uid": ["7"], "Impersonate-Group": ["dev", "ops"], "Impersonate-Extra-Scopes%2fx": ["view", "a b"]}
    seen = [r for r in fake.requests() if r["agent"].startswith("kevfs/")]
    assert {r["verb"] for r in seen} >= {"list", "watch", "discovery"}
    assert all(r["as"] == expected for r in seen), seen


def test_impersonation_over_plain_http(fake, mount, scratch):
    """It is no credential, and without it we would be somebody else."""
    m = mount(kubeconfig=configure(fake, scratch / "config", {"as": "bob"}, server=fake.plain, **{"certificate-authority-data": None}))
    assert "default" in os.listdir(m.dir) and m.said() == ""
    assert all(r["as"] == {"Impersonate-User": ["bob"]} for r in fake.requests() if r["agent"].startswith("kevfs/"))
