"""Who kevfs is for the server: kubeconfigs, credential plugins, and what the fake server says that it was."""
import json

TOKEN_USER = "system:serviceaccount:default:"
V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"


def configure(api, path, user, **cluster):
    """A kubeconfig of one context for that server: its user as given, and more of its cluster."""
    config = json.loads(api.kubectl("config", "view", "--raw", "--flatten", "--minify", "-o", "json").stdout)
    config["users"][0]["user"] = user
    config["clusters"][0]["cluster"].update(cluster)
    path.write_text(json.dumps(config))
    return str(path)


def certificate(api):
    """The user that the server's own kubeconfig has."""
    return {"client-certificate": api.cert, "client-key": api.key}


def ours(fake, **which):
    """The requests that kevfs sent."""
    return [r for r in fake.requests(**which) if r["agent"].startswith("kevfs/")]


def users(fake):
    return {r["user"] for r in ours(fake)}


class Plugin:
    """A credential plugin: a shell script that notes each run, does what the file `does` says, and prints the file `answer`."""

    def __init__(self, directory, version=V1):
        self.version = version
        self.path, self.answer, self.noted, self.does = (directory / name for name in ("plugin", "answer", "noted", "does"))
        self.does.write_text("")
        self.path.write_text(f"#!/bin/sh\necho run >>{self.noted}\n. {self.does}\nexec cat {self.answer}\n")
        self.path.chmod(0o755)

    def prints(self, **its_status):
        part = self.answer.with_name("answer.part")
        part.write_text(json.dumps({"kind": "ExecCredential", "apiVersion": self.version, "status": its_status}))
        part.rename(self.answer)

    def runs(self):
        return self.noted.read_text().count("run") if self.noted.exists() else 0

    def user(self, **more):
        return {"exec": {"apiVersion": self.version, "command": str(self.path), "interactiveMode": "Never", **more}}
