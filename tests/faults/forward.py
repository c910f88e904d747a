"""What stands between a daemon and a server: connections are passed on, refused, cut, or hang as if the network were gone."""
import contextlib
import socket
import threading


class Forward:
    """Listens on a port of its own, and passes on to another one of loopback; carried tells how many bytes."""

    def __init__(self, port):
        self.target, self.pairs, self.lock = port, set(), threading.Lock()
        self.carried = {"up": 0, "down": 0}
        self.flowing = threading.Event()
        self.flowing.set()
        self.listener, self.port = None, 0
        self.open()

    def open(self):
        """Accept (again), under the same address."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.listener, self.port = listener, listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def close(self):
        """Refuse from now on; what is connected is cut."""
        if self.listener:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.cut()

    def cut(self):
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for pair in pairs:
            for s in pair:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self.lock:
                self.pairs.add((client, server))
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.pump, args=(a, b, (client, server)), daemon=True).start()

    def pump(self, source, target, pair):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self.flowing.wait()
                with self.lock:
                    self.carried["up" if source is pair[0] else "down"] += len(piece)
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        if source is pair[1]:  # what the server had to say has been said
            for s in pair:
                s.close()
            with self.lock:
                self.pairs.discard(pair)
