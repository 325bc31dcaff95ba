"""A relay to a store that can spoil what the store answers: one marked byte is another when it arrives."""

import socket
import threading


class SpoilingRelay:
    """Passes bytes to `port` and back; `MARK` in a reply becomes `SPOILT`. `start` it, `stop` it."""

    MARK = b"<<the mark>>"
    SPOILT = b"<<the mArk>>"

    def __init__(self, port: int) -> None:
        self._target = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._server]
        self.port: int = self._server.getsockname()[1]

    def start(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [near, far]
            threading.Thread(target=self._pass, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, spoils: bool) -> None:
        try:
            while data := source.recv(1 << 20):
                target.sendall(data.replace(self.MARK, self.SPOILT) if spoils else data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def stop(self) -> None:
        for each in self._sockets:
            each.close()
