"""A minimal real Ceph with its S3 gateway (RGW) on free loopback ports: one monitor, one manager, one OSD on
BlueStore in a file of 4 GiB, nothing replicated. Answers after about 25 s, takes 500 MB of memory.

The binaries are Debian's; `PACKAGES` says which. Everything lives in one folder and ends with `stop`.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

from continuum.sites import choose_free_ports

PACKAGES = "ceph-mon ceph-osd ceph-mgr radosgw ceph-common"
PROGRAMS = ("ceph-mon", "ceph-osd", "ceph-mgr", "radosgw", "radosgw-admin", "ceph", "ceph-authtool")
START_S = 90.0

_CONFIGURATION = """
[global]
fsid = {fsid}
mon initial members = a
mon host = v2:127.0.0.1:{mon},v1:127.0.0.1:{mon_old}
public network = 127.0.0.0/8
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = {folder}/keyring.$name
run dir = {folder}/run
pid file = {folder}/run/$name.pid
admin socket = {folder}/run/$name.asok
log file = {folder}/log/$name.log
crash dir = {folder}/log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data = {folder}/mon
mgr data = {folder}/mgr
osd data = {folder}/osd
osd memory target = 939524096
osd objectstore = bluestore
bluestore block size = 4294967296
bluestore block create = true
mon data avail crit = 1
mon data avail warn = 2
ms bind ipv6 = false
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:{rgw}
rgw enable usage log = false
rgw thread pool size = 32
rgw data = {folder}/rgw
[mgr]
mgr initial modules =
"""


def find_missing() -> list[str]:
    """Return the programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


class CephStore:
    """`start` it; then `endpoint`, `access_key`, `secret_key`; `stop` it."""

    access_key = "CEPHTEST"
    secret_key = "ceph-test-secret"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.endpoint = ""

    def start(self) -> None:
        """Start it and wait until it serves."""
        for part in ("mon", "mgr", "osd", "rgw", "run", "log"):
            (self._folder / part).mkdir(parents=True)
        mon, mon_old, rgw = choose_free_ports(3)
        fsid = str(uuid.uuid4())
        text = _CONFIGURATION.format(folder=self._folder, fsid=fsid, mon=mon, mon_old=mon_old, rgw=rgw)
        (self._folder / "ceph.conf").write_text(text)
        try:
            self._start_monitor(fsid, mon, mon_old)
            self._start_others()
            self.endpoint = f"http://127.0.0.1:{rgw}"
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _start_monitor(self, fsid: str, mon: int, mon_old: int) -> None:
        key = "--create-keyring", "--gen-key", "-n"
        self._run("ceph-authtool", "keyring.mon", *key, "mon.", "--cap", "mon", "allow *")
        rights = ("--cap", "mon", "allow *", "--cap", "osd", "allow *", "--cap", "mgr", "allow *")
        self._run("ceph-authtool", "keyring.client.admin", *key, "client.admin", *rights)
        self._run("ceph-authtool", "keyring.mon", "--import-keyring", "keyring.client.admin")
        address = f"[v2:127.0.0.1:{mon},v1:127.0.0.1:{mon_old}]"
        self._run("monmaptool", "--create", "--addv", "a", address, "--fsid", fsid, "monmap")
        self._run(
            "ceph-mon", "--mkfs", "-i", "a", "--monmap", "monmap", "--keyring", "keyring.mon", configured=True
        )
        shutil.copy(self._folder / "keyring.mon", self._folder / "mon" / "keyring")
        keyring = str(self._folder / "mon" / "keyring")
        self._run("ceph-mon", "-i", "a", "--keyring", keyring, configured=True)

    def _start_others(self) -> None:
        self._key("mgr.x", "mon", "allow profile mgr", "osd", "allow *", "mds", "allow *")
        self._run("ceph-mgr", "-i", "x", configured=True)
        osd = str(uuid.uuid4())
        self._run("ceph", "osd", "new", osd, configured=True)
        self._key("osd.0", "osd", "allow *", "mon", "allow profile osd", "mgr", "allow profile osd")
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd, configured=True)
        self._run("ceph-osd", "-i", "0", configured=True)
        self._key("client.rgw.a", "osd", "allow rwx", "mon", "allow rw")
        self._run("radosgw", "-n", "client.rgw.a", "--default-log-to-stderr=false", configured=True)
        who = ("--uid=test", "--display-name=test")
        keys = (f"--access-key={self.access_key}", f"--secret={self.secret_key}")
        self._run("radosgw-admin", "user", "create", *who, *keys, configured=True)

    def _key(self, name: str, *rights: str) -> None:
        made = self._run("ceph", "auth", "get-or-create", name, *rights, configured=True)
        (self._folder / f"keyring.{name}").write_text(made)

    def _run(self, program: str, *arguments: str, configured: bool = False) -> str:
        where = ("-c", str(self._folder / "ceph.conf")) if configured else ()
        done = subprocess.run(
            [program, *where, *arguments],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == 0, f"{program} {arguments}: {done.stderr[-2000:]}"
        return done.stdout

    def _wait(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                try:
                    urllib.request.urlopen(self.endpoint, timeout=2).close()
                except urllib.error.HTTPError as answer:
                    answer.close()
                return
            time.sleep(0.2)
        raise AssertionError(f"RGW does not answer: {self._folder / 'log'}")

    def stop(self) -> None:
        """End it."""
        for file in (self._folder / "run").glob("*.pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(file.read_text()), signal.SIGKILL)
