"""A cell on the fake server: one daemon with a client certificate on HTTP/2, one with a token on HTTP/1.1."""
import os
import shutil
import urllib.parse

from cell import Cell, Daemon
from servers import Fake, build_fake

KUBECONFIG = """apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{server}", certificate-authority: {directory}/ca.crt}}}}]
users: [{{name: u, user: {{{user}}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
"""


class FakeCell(Cell):
    def __init__(self, session, seed, name, both=True, **more):
        super().__init__(session, seed, name, **more)
        self.directory = str(session.new_directory("fake"))
        self.program = shutil.copy(build_fake(), session.new_directory("program"))
        self.server = Fake(self.directory, program=self.program)
        self.stack.callback(lambda: self.server.close())
        self.both = both
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def kubeconfig(self, name, server, user):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="ascii") as f:
            f.write(KUBECONFIG.format(server=server, directory=self.directory, user=user))
        return path

    def oracle_config(self):
        """Certificates change; what kubectl is asked through does not."""
        self.server.kubeconfig = self.kubeconfig("plain", self.server.plain, "")

    def connect(self):
        self.oracle_config()
        certificate = f"client-certificate: {self.directory}/client.crt, client-key: {self.directory}/client.key"
        self.daemons.append(Daemon(self, "h2", self.kubeconfig("h2", self.server.url, certificate)))
        if self.both:
            self.daemons.append(Daemon(self, "http1", self.kubeconfig("http1", self.server.url1, f"tokenFile: {self.directory}/token")))

    def write(self, op, namespace, name, body):
        self.server.bulk([("delete", "events", namespace, name) if op == "delete" else ("put", "events", namespace, body)])
        return True

    def items(self):
        return self.server.get("/api/v1/events", url=self.server.control)["items"]

    def restart(self):
        """The same addresses, and nothing else."""
        ports = [urllib.parse.urlsplit(url).netloc for url in (self.server.url, self.server.url1, self.server.plain, self.server.control)]
        self.server.process.kill()
        self.server.process.wait()
        self.server.close()
        arguments = [a for pair in zip(("-listen", "-listen1", "-plain", "-control"), ports) for a in pair]
        self.server = Fake(self.directory, *arguments, program=self.program)
        self.oracle_config()
