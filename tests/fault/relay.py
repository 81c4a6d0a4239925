"""A TCP relay, for what happens to a network between two processes."""
import selectors
import socket
import threading


class Relay:
    """Passes bytes between whoever connects to `endpoint` and `port` of this host. While it is
    `freeze`d it passes nothing and closes nothing, as a cable that was pulled; `cut` resets all
    connections and refuses new ones until `mend`, which ends both."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.pairs = {}  # socket: the other end
        self.lock = threading.Lock()
        self.frozen = self.broken = self.ended = False
        self.accepted = 0
        self.wake, self.woken = socket.socketpair()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._set(ended=True)
        self.thread.join(10)

    def freeze(self):
        self._set(frozen=True)

    def cut(self):
        self._set(broken=True)

    def mend(self):
        """Connections that were frozen have been forgotten meanwhile by what was between."""
        self._set(frozen=False, broken=False)

    def _set(self, **state):
        with self.lock:
            self.__dict__.update(state)
        self.wake.send(b"x")

    def _close(self, ends):
        for end in list(ends):
            self.pairs.pop(end, None)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            end.close()

    def _accept(self):
        client, _ = self.listener.accept()
        self.accepted += 1
        try:
            server = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        except OSError:
            client.close()
            return
        self.pairs[client], self.pairs[server] = server, client

    def _pass(self, end):
        try:
            data = end.recv(1 << 16)
            if data:
                self.pairs[end].sendall(data)
                return
        except OSError:
            pass
        self._close([end, self.pairs[end]])

    def _run(self):
        was_frozen = False
        while not self.ended:
            frozen, broken = self.frozen, self.broken
            if broken or (was_frozen and not frozen):
                self._close(self.pairs)
            was_frozen = frozen
            with selectors.DefaultSelector() as poll:
                poll.register(self.woken, selectors.EVENT_READ)
                if not frozen:
                    poll.register(self.listener, selectors.EVENT_READ)
                    for end in self.pairs:
                        poll.register(end, selectors.EVENT_READ)
                for key, _ in poll.select():
                    if key.fileobj is self.woken:
                        self.woken.recv(1)
                    elif key.fileobj is self.listener and broken:
                        client, _ = self.listener.accept()
                        self.accepted += 1
                        self._close([client])
                    elif key.fileobj is self.listener:
                        self._accept()
                    elif key.fileobj in self.pairs:
                        self._pass(key.fileobj)
        self._close(self.pairs)
        self.listener.close()
