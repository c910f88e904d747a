"""Proxies between kevfs and a server: http, https and socks5, as a thread each, which note what they were asked for."""
import contextlib
import select
import socket
import ssl
import threading


class Proxy:
    """Listens on loopback; whatever it is asked for, it leads to `target` (host, port). kind: http, https (with a server certificate) or
    socks5. With `credential` ("user:password") it lets nobody else through."""

    def __init__(self, kind, target, certificate=None, credential=None):
        self.kind, self.target, self.credential = kind, target, credential
        self.asked = []
        self.context = None
        if kind == "https":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{kind}://{credential + '@' if credential else ''}127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(client,), daemon=True).start()

    def answer(self, client):
        with contextlib.suppress(OSError), contextlib.closing(client):
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
            rest = self.negotiate_socks(client) if self.kind == "socks5" else self.negotiate_http(client)
            if rest is not None:
                self.tunnel(client, rest)

    def negotiate_http(self, client):
        """CONNECT, or a plain request, which is handed on as it is; None: refused. Returns what the server is to get first."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(65536)
            if not piece:
                return None
            head += piece
        line = head.split(b"\r\n")[0].decode()
        self.asked.append(line)
        if self.credential and b"Proxy-Authorization: Basic" not in head:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return None
        if line.startswith("CONNECT "):
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return b""
        return head

    def negotiate_socks(self, client):
        hello = client.recv(257)
        assert hello[0] == 5
        client.sendall(b"\x05\x02" if self.credential else b"\x05\x00")
        if self.credential:
            client.recv(515)
            client.sendall(b"\x01\x00")
        request = client.recv(262)
        if request[3] == 3:
            host, rest = request[5:5 + request[4]].decode(), request[5 + request[4]:]
        else:
            host, rest = socket.inet_ntoa(request[4:8]), request[8:]
        self.asked.append(f"{host}:{int.from_bytes(rest[:2], 'big')}")
        client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        return b""

    def tunnel(self, client, first):
        with contextlib.closing(socket.create_connection(self.target)) as server:
            server.sendall(first)
            while True:
                waiting = getattr(client, "pending", lambda: 0)()
                for ready in [client] if waiting else select.select([client, server], [], [])[0]:
                    piece = ready.recv(65536)
                    if not piece:
                        return
                    (server if ready is client else client).sendall(piece)
