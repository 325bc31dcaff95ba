"""Sites: places with compute and usually a store; homes, agents and registry, which make them one continuum.

Belongs here: what stands for a site (the agent), who knows of all sites (the registry), how a continuum is
set up on a machine. Never here: what tasks and objects are.

Names are imported when they are first used: a driver needs a home, not the supervisor.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from continuum.sites.agents import AgentSettings
    from continuum.sites.documents import format_document, read_document
    from continuum.sites.embedded.added import add_directory, remove_directory
    from continuum.sites.embedded.directories import plan_directory_store
    from continuum.sites.embedded.nats import format_backbone_configuration
    from continuum.sites.embedded.preparing import UpOptions, inherit_environment
    from continuum.sites.embedded.seaweedfs import (
        STORE_PORT_NAMES,
        PlannedStore,
        ensure_store_secrets,
        plan_store,
    )
    from continuum.sites.embedded.starting import run_in_foreground, start
    from continuum.sites.guests import invite_user, make_guest_home, read_guest, uninvite_user, write_guest
    from continuum.sites.health import health_listener
    from continuum.sites.homes import Continuum, Credentials, Home, SiteAddress
    from continuum.sites.hubs import (
        HubSettings,
        UserFile,
        find_database_urls,
        read_hub_settings,
        resolve_url,
    )
    from continuum.sites.images.building import BuildOptions, BuiltImage, build_image, default_cache
    from continuum.sites.images.layouts import check_archive
    from continuum.sites.joining.invitations import (
        IdentityPems,
        Invitation,
        parse_invitation,
        read_invitation,
        write_invitation,
    )
    from continuum.sites.joining.inviting import make_invitation, revoke
    from continuum.sites.joining.joined import JoinedSite, list_joined
    from continuum.sites.kubernetes.applying import (
        Removed,
    )
    from continuum.sites.kubernetes.clusters import Cluster
    from continuum.sites.kubernetes.deploying import (
        Deployed,
        HubRequest,
        deploy_hub,
        plan_deploying,
        undeploy_hub,
    )
    from continuum.sites.kubernetes.diagnosing import (
        Diagnosis,
        describe_pods,
    )
    from continuum.sites.kubernetes.hubs import HubPlace
    from continuum.sites.kubernetes.joined import JoinedCluster, find_cluster, list_clusters
    from continuum.sites.kubernetes.joining import (
        Joined,
        join_cluster,
        plan_joining,
        upgrade_cluster,
    )
    from continuum.sites.kubernetes.launching import DriverRun, sweep
    from continuum.sites.kubernetes.leaving import LeaveRequest, leave_cluster
    from continuum.sites.kubernetes.looking import ClusterView, look_at_cluster
    from continuum.sites.kubernetes.observing import (
        Observed,
    )
    from continuum.sites.kubernetes.requesting import (
        JoinRequest,
        parse_host_alias,
        parse_storage,
        plan_invited_secrets,
    )
    from continuum.sites.kubernetes.requiring import require_client
    from continuum.sites.kubernetes.runs import RunSettings, plan_order, plan_run, redact
    from continuum.sites.kubernetes.settings import (
        ExternalStore,
        Outside,
        Overlay,
        service_names,
    )
    from continuum.sites.kubernetes.texts import (
        format_manifests,
    )
    from continuum.sites.ports import choose_free_ports, find_port_holder, is_port_free
    from continuum.sites.registry import KnownSite, Registry, Sites, list_sites
    from continuum.sites.rights import (
        RightsFile,
        identity_of_user,
        parse_user_name,
        read_rights,
        write_rights,
    )
    from continuum.sites.supervision.controlling import ContinuumStatus, ProcessStatus, find_status, stop
    from continuum.sites.supervision.folders import choose_run_folder, ensure_home, find_binary
    from continuum.sites.supervision.plans import Plan, PlannedFile, PlannedProcess, ReadyLine, ReadyPort
    from continuum.sites.supervision.starting import (
        Progress,
        StartFailedError,
        run_daemon,
        start_daemon,
        supervise,
    )

_HOMES = {
    "Cluster": "kubernetes.clusters",
    "JoinedCluster": "kubernetes.joined",
    "list_clusters": "kubernetes.joined",
    "DriverRun": "kubernetes.launching",
    "sweep": "kubernetes.launching",
    "RunSettings": "kubernetes.runs",
    "plan_order": "kubernetes.runs",
    "plan_run": "kubernetes.runs",
    "redact": "kubernetes.runs",
    "RightsFile": "rights",
    "read_rights": "rights",
    "write_rights": "rights",
    "parse_user_name": "rights",
    "identity_of_user": "rights",
    "invite_user": "guests",
    "uninvite_user": "guests",
    "read_guest": "guests",
    "write_guest": "guests",
    "make_guest_home": "guests",
    "STORE_PORT_NAMES": "embedded.seaweedfs",
    "AgentSettings": "agents",
    "BuildOptions": "images.building",
    "BuiltImage": "images.building",
    "Continuum": "homes",
    "ContinuumStatus": "supervision.controlling",
    "Credentials": "homes",
    "Home": "homes",
    "HubSettings": "hubs",
    "find_database_urls": "hubs",
    "resolve_url": "hubs",
    "IdentityPems": "joining.invitations",
    "Invitation": "joining.invitations",
    "JoinedSite": "joining.joined",
    "KnownSite": "registry",
    "Plan": "supervision.plans",
    "PlannedFile": "supervision.plans",
    "PlannedProcess": "supervision.plans",
    "PlannedStore": "embedded.seaweedfs",
    "ProcessStatus": "supervision.controlling",
    "Progress": "supervision.starting",
    "ReadyLine": "supervision.plans",
    "ReadyPort": "supervision.plans",
    "Registry": "registry",
    "SiteAddress": "homes",
    "Sites": "registry",
    "StartFailedError": "supervision.starting",
    "UpOptions": "embedded.preparing",
    "UserFile": "hubs",
    "add_directory": "embedded.added",
    "choose_free_ports": "ports",
    "build_image": "images.building",
    "check_archive": "images.layouts",
    "choose_run_folder": "supervision.folders",
    "default_cache": "images.building",
    "ensure_home": "supervision.folders",
    "ensure_store_secrets": "embedded.seaweedfs",
    "find_binary": "supervision.folders",
    "find_port_holder": "ports",
    "find_status": "supervision.controlling",
    "format_backbone_configuration": "embedded.nats",
    "format_document": "documents",
    "health_listener": "health",
    "inherit_environment": "embedded.preparing",
    "is_port_free": "ports",
    "Diagnosis": "kubernetes.diagnosing",
    "ExternalStore": "kubernetes.settings",
    "Deployed": "kubernetes.deploying",
    "HubPlace": "kubernetes.hubs",
    "HubRequest": "kubernetes.deploying",
    "Outside": "kubernetes.settings",
    "deploy_hub": "kubernetes.deploying",
    "plan_deploying": "kubernetes.deploying",
    "undeploy_hub": "kubernetes.deploying",
    "JoinRequest": "kubernetes.requesting",
    "Joined": "kubernetes.joining",
    "Observed": "kubernetes.observing",
    "Overlay": "kubernetes.settings",
    "Removed": "kubernetes.applying",
    "describe_pods": "kubernetes.diagnosing",
    "format_manifests": "kubernetes.texts",
    "join_cluster": "kubernetes.joining",
    "leave_cluster": "kubernetes.leaving",
    "ClusterView": "kubernetes.looking",
    "look_at_cluster": "kubernetes.looking",
    "find_cluster": "kubernetes.joined",
    "require_client": "kubernetes.requiring",
    "LeaveRequest": "kubernetes.leaving",
    "parse_host_alias": "kubernetes.requesting",
    "parse_storage": "kubernetes.requesting",
    "plan_invited_secrets": "kubernetes.requesting",
    "plan_joining": "kubernetes.joining",
    "upgrade_cluster": "kubernetes.joining",
    "list_joined": "joining.joined",
    "list_sites": "registry",
    "make_invitation": "joining.inviting",
    "parse_invitation": "joining.invitations",
    "plan_directory_store": "embedded.directories",
    "plan_store": "embedded.seaweedfs",
    "read_document": "documents",
    "read_hub_settings": "hubs",
    "read_invitation": "joining.invitations",
    "revoke": "joining.inviting",
    "write_invitation": "joining.invitations",
    "remove_directory": "embedded.added",
    "run_daemon": "supervision.starting",
    "run_in_foreground": "embedded.starting",
    "service_names": "kubernetes.settings",
    "start": "embedded.starting",
    "start_daemon": "supervision.starting",
    "stop": "supervision.controlling",
    "supervise": "supervision.starting",
}

__all__ = [
    "STORE_PORT_NAMES",
    "AgentSettings",
    "BuildOptions",
    "BuiltImage",
    "Cluster",
    "ClusterView",
    "Continuum",
    "ContinuumStatus",
    "Credentials",
    "Deployed",
    "Diagnosis",
    "DriverRun",
    "ExternalStore",
    "Home",
    "HubPlace",
    "HubRequest",
    "HubSettings",
    "IdentityPems",
    "Invitation",
    "JoinRequest",
    "Joined",
    "JoinedCluster",
    "JoinedSite",
    "KnownSite",
    "LeaveRequest",
    "Observed",
    "Outside",
    "Overlay",
    "Plan",
    "PlannedFile",
    "PlannedProcess",
    "PlannedStore",
    "ProcessStatus",
    "Progress",
    "ReadyLine",
    "ReadyPort",
    "Registry",
    "Removed",
    "RightsFile",
    "RunSettings",
    "SiteAddress",
    "Sites",
    "StartFailedError",
    "UpOptions",
    "UserFile",
    "add_directory",
    "build_image",
    "check_archive",
    "choose_free_ports",
    "choose_run_folder",
    "default_cache",
    "deploy_hub",
    "describe_pods",
    "ensure_home",
    "ensure_store_secrets",
    "find_binary",
    "find_cluster",
    "find_database_urls",
    "find_port_holder",
    "find_status",
    "format_backbone_configuration",
    "format_document",
    "format_manifests",
    "health_listener",
    "identity_of_user",
    "inherit_environment",
    "invite_user",
    "is_port_free",
    "join_cluster",
    "leave_cluster",
    "list_clusters",
    "list_joined",
    "list_sites",
    "look_at_cluster",
    "make_guest_home",
    "make_invitation",
    "parse_host_alias",
    "parse_invitation",
    "parse_storage",
    "parse_user_name",
    "plan_deploying",
    "plan_directory_store",
    "plan_invited_secrets",
    "plan_joining",
    "plan_order",
    "plan_run",
    "plan_store",
    "read_document",
    "read_guest",
    "read_hub_settings",
    "read_invitation",
    "read_rights",
    "redact",
    "remove_directory",
    "require_client",
    "resolve_url",
    "revoke",
    "run_daemon",
    "run_in_foreground",
    "service_names",
    "start",
    "start_daemon",
    "stop",
    "supervise",
    "sweep",
    "undeploy_hub",
    "uninvite_user",
    "upgrade_cluster",
    "write_guest",
    "write_invitation",
    "write_rights",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
