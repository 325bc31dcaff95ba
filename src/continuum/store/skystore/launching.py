"""Preparing and starting what Sky Store's commands run: identities, ports, checks; then a supervisor.

HOME/ca, HOME/identities      the authority and who is who, shared by all that runs from this home
HOME/server                   the server's state
HOME/gateways/SITE            a gateway's state (and its store's, with --local)
"""

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from continuum.model.errors import InvalidInputError, NotFoundError, UnavailableError
from continuum.security import LOOPBACK_NAMES, IdentityFiles, create_identity, write_private
from continuum.sites import (
    STORE_PORT_NAMES,
    Home,
    Plan,
    PlannedStore,
    Progress,
    choose_free_ports,
    choose_run_folder,
    ensure_home,
    ensure_store_secrets,
    find_binary,
    find_port_holder,
    format_document,
    inherit_environment,
    is_port_free,
    plan_directory_store,
    plan_store,
    read_document,
    run_daemon,
    start_daemon,
    supervise,
)
from continuum.store.encryption.masterkeys import ensure_master_keys
from continuum.store.skystore.configurations import (
    ClientConfiguration,
    ConfigurationFile,
    parse_configuration,
    resolve_client,
    resolve_server,
)
from continuum.store.skystore.joining import MASTER_KEYS, unpack_join_file, write_join_file
from continuum.store.skystore.plans import ClientJob, ServerJob, gateway_name, plan_client, plan_server
from continuum.store.skystore.regions import parse_region

MIB = 1024 * 1024
SERVER_FREE_BYTES = 128 * MIB
STORE_FREE_BYTES = 512 * MIB
GREETING_WAIT_S = 3.0
_HINT = "`skystore status` shows it, `skystore exit` stops it"
Tell = Callable[[str], None]


class ClientOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `skystore init`."""

    config: Path | None
    is_local: bool
    policy: str
    server_addr: str
    port: int
    join: Path | None
    directory: Path | None = None

    @property
    def has_own_store(self) -> bool:
        """Whether the region's objects are kept on this machine."""
        return self.is_local or self.directory is not None


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of `skystore-server`. With `hosts` it listens on all addresses."""

    init_regions: str
    port: int
    api_port: int
    hosts: tuple[str, ...]


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be started, in which home, and the line that says that it serves."""

    home: Home
    plan: Plan
    ready: str


# ---- the server ----


def prepare_server(home: Home, options: ServerOptions) -> Launch:
    """Make ready what `skystore-server` starts. Raises `ContinuumError`."""
    configuration = resolve_server(os.environ, init_regions=options.init_regions)
    nats_server = find_binary("nats-server")
    folder = _folder(home.path / "server", SERVER_FREE_BYTES)
    _check_port(options.port, "--port")
    api_port = options.api_port or choose_free_ports(1, {options.port})[0]
    _check_port(api_port, "--api-port")
    job = ServerJob(
        home=folder.path,
        run_folder=choose_run_folder(folder.path),
        regions=configuration.regions,
        listen_host="0.0.0.0" if options.hosts else "127.0.0.1",  # noqa: S104 -- asked for; mutual TLS guards it
        port=options.port,
        api_port=api_port,
        python=Path(sys.executable),
        nats_server=nats_server,
        backbone=create_identity(home.path, "backbone", "backbone", hosts=(*LOOPBACK_NAMES, *options.hosts)),
        hub=create_identity(home.path, "hub", "hub"),
        environment=inherit_environment(os.environ, folder),
    )
    create_identity(home.path, "admin", "admin")
    regions = ", ".join(map(str, configuration.regions))
    return Launch(
        home=folder,
        plan=plan_server(job),
        ready=f"ready tls://{job.listen_host}:{job.port} for {regions}; API https://127.0.0.1:{api_port}",
    )


def write_join(home: Home, options: ServerOptions, path: Path, region: str) -> None:
    """Write the join file of the gateway of `region`. Raises `InvalidInputError`."""
    known = resolve_server(os.environ, init_regions=options.init_regions).regions
    wanted = parse_region(region) if region else None
    if wanted is None or wanted not in known:
        raise InvalidInputError(
            "which region's gateway is the join file for?",
            hint=f"--region, one of {', '.join(map(str, known))}",
        )
    ensure_master_keys(home.master_keys_file)
    identity = create_identity(home.path, gateway_name(wanted), "gateway")
    write_join_file(path, identity, home.master_keys_file)


# ---- a client ----


def prepare_client(home: Home, options: ClientOptions) -> Launch:
    """Make ready what `skystore init` starts. Raises `ContinuumError`."""
    configuration = resolve_client(
        _read_configuration(options.config),
        os.environ,
        policy=options.policy,
        server_addr=options.server_addr,
        is_local=options.has_own_store,
    )
    site = configuration.region.site
    folder = _folder(
        home.path / "gateways" / site, STORE_FREE_BYTES if options.has_own_store else SERVER_FREE_BYTES
    )
    identity = _client_identity(home, folder, configuration, options)
    _check_port(options.port, "--port")
    _check_server(*configuration.server)
    environment = inherit_environment(os.environ, folder)
    job = ClientJob(
        home=folder.path,
        run_folder=choose_run_folder(folder.path),
        configuration=configuration,
        port=options.port,
        python=Path(sys.executable),
        identity=identity,
        environment=environment,
        local=_plan_local_store(home, folder, configuration, environment, options.directory)
        if options.has_own_store
        else None,
        master_keys_file=_find_master_keys(home, folder),
    )
    where = configuration.endpoint or "on this machine"
    return Launch(
        home=folder,
        plan=plan_client(job),
        ready=f"ready http://127.0.0.1:{options.port} for {configuration.region}, "
        f"objects in {configuration.bucket} ({where})",
    )


def _read_configuration(path: Path | None) -> ConfigurationFile:
    if path is None:
        return ConfigurationFile()
    try:
        return parse_configuration(path.expanduser().read_bytes(), str(path))
    except OSError as problem:
        raise InvalidInputError(f"cannot read {path}: {problem.strerror}") from problem


def _client_identity(
    home: Home, folder: Home, configuration: ClientConfiguration, options: ClientOptions
) -> IdentityFiles:
    name = gateway_name(configuration.region)
    if options.join is not None:
        if options.has_own_store:
            raise InvalidInputError(
                "a store of its own (--local, --directory) can be reached from this machine only",
                hint="give the region's store with SKYSTORE_ENDPOINTS, or leave --join out",
            )
        return unpack_join_file(options.join, folder.path, name)
    if home.ca_file.exists():
        return create_identity(home.path, name, "gateway")
    if folder.identity(name).key_file.exists():  # it joined before
        return folder.identity(name)
    raise NotFoundError(
        f"there is no server's authority in {home.path}",
        hint="start skystore-server first; if it is on another machine, bring its join file: "
        "`skystore-server --join-file OUT --region REGION` there, `skystore init --join OUT` here",
    )


def _find_master_keys(home: Home, folder: Home) -> Path | None:
    """Return the keys that wrap those of encrypted objects, the same for all gateways: those of the server's
    home (made if there are none), or those that came with the join file (None: it had none)."""
    joined = folder.path / MASTER_KEYS
    if joined.exists():
        return joined
    if not home.ca_file.exists():
        return None
    ensure_master_keys(home.master_keys_file)
    return home.master_keys_file


def _plan_local_store(
    home: Home,
    folder: Home,
    configuration: ClientConfiguration,
    environment: dict[str, str],
    directory: Path | None,
) -> PlannedStore:
    site = configuration.region.site
    name = f"store.{site}"
    directory = directory.expanduser().absolute() if directory is not None else None
    _require_kind(folder, directory)
    if directory is not None:
        return plan_directory_store(
            name=name,
            site=site,
            bucket=configuration.bucket,
            root=directory,
            settings_file=folder.path / "store-settings.json",
            socket_folder=choose_run_folder(folder.path),
            home=folder.path,
            python=Path(sys.executable),
            port=_store_ports(folder.path / "store-ports.json", ("s3",))["s3"],
            secrets=ensure_store_secrets(folder.path / "store-secrets.json"),
            identity=create_identity(home.path, name, "store"),
            ca_pem=home.ca_file.read_text(),
            inherited=environment,
        )
    return plan_store(
        name=name,
        site=site,
        bucket=configuration.bucket,
        folder=folder.path,
        socket_folder=choose_run_folder(folder.path),
        weed=find_binary("weed"),
        ports=_store_ports(folder.path / "store-ports.json", STORE_PORT_NAMES),
        secrets=ensure_store_secrets(folder.path / "store-secrets.json"),
        identity=create_identity(home.path, name, "store"),
        ca_pem=home.ca_file.read_text(),
        inherited=environment,
    )


def _require_kind(folder: Home, directory: Path | None) -> None:
    """Refuse another kind of store, or another folder, than the region began with: its objects lie there."""
    path = folder.path / "store-directory.json"
    before = read_document(path, str) if path.exists() else None
    wanted = str(directory) if directory is not None else None
    if directory is not None and not directory.is_dir():
        raise InvalidInputError(f"there is no folder {directory}")
    if before != wanted and (before is not None or (folder.path / "store").is_dir()):
        raise InvalidInputError(
            f"the region's objects lie in {before or 'a store made with --local'}",
            hint=f"--directory {before}" if before else "--local",
        )
    if wanted is not None:
        write_private(path, format_document(wanted))


def _store_ports(path: Path, names: tuple[str, ...]) -> dict[str, int]:
    ports = read_document(path, dict[str, int]) if path.exists() else {}
    if sorted(ports) != sorted(names) or not all(map(is_port_free, ports.values())):
        ports = dict(zip(names, choose_free_ports(len(names)), strict=True))
        write_private(path, format_document(ports))
    return ports


# ---- both ----


def find_homes(home: Home) -> list[Path]:
    """Return the folders below `home` from which something may run: gateways first, the server last."""
    gateways = home.path / "gateways"
    folders = sorted(gateways.iterdir()) if gateways.is_dir() else []
    server = home.path / "server"
    return [*folders, *([server] if server.is_dir() else [])]


def launch(prepared: Launch, *, is_detached: bool, tell: Tell, ready: Tell) -> None:
    """Start it; return when it serves (detached) or after it was stopped. `ready` prints the ready line."""

    def report(progress: Progress) -> None:
        if progress.note:
            tell(progress.note)
        if progress.process and progress.state == "restarting":
            tell(f"{progress.process} died and is started again; logs are in {prepared.home.logs()}")
        if progress.ready:
            ready(prepared.ready)

    if not is_detached:
        supervise(prepared.home, lambda _: prepared.plan, report, hint=_HINT)
        return
    file = _plan_file(prepared.home)
    write_private(file, format_document(prepared.plan))
    start_daemon(prepared.home, [sys.executable, "-m", "continuum.store.skystore", str(file.parent)], report)


def daemon(arguments: list[str]) -> int:
    """Be the daemon of a home whose plan was written before: home and the descriptor to report to."""
    home = Home(arguments[0])
    plan = read_document(_plan_file(home), Plan)
    _plan_file(home).unlink()  # it holds keys in the processes' environments
    return run_daemon(home, lambda _: plan, int(arguments[1]), hint=_HINT)


def _plan_file(home: Home) -> Path:
    return home.path / "plan.json"


def _folder(path: Path, min_free_bytes: int) -> Home:
    folder = Home(path)
    ensure_home(folder, min_free_bytes=min_free_bytes)
    return folder


def _check_port(port: int, option: str) -> None:
    if is_port_free(port):
        return
    holder = find_port_holder(port)
    raise UnavailableError(
        f"port {port} is in use{f' by {holder}' if holder else ''}",
        hint=f"end that process (`skystore exit` if it is ours), or choose another port with {option}",
    )


def _check_server(host: str, port: int) -> None:
    """See that something greets at the server's address as a backbone does."""
    try:
        with socket.create_connection((host, port), timeout=GREETING_WAIT_S) as connection:
            connection.settimeout(GREETING_WAIT_S)
            greeting = connection.recv(5)
    except OSError as problem:
        raise UnavailableError(
            f"no skystore-server answers at {host}:{port}: {problem.strerror or problem}",
            hint="start skystore-server there, check server_addr, or tunnel the port: "
            f"ssh -L {port}:localhost:{port} -N -f USER@HOST",
        ) from problem
    if greeting != b"INFO ":
        raise UnavailableError(
            f"what answers at {host}:{port} is no skystore-server", hint="check server_addr"
        )
