"""Who may talk to whom in a site's namespaces: nobody, and then what is needed. Pure.

Answers to what was asked are always let through, and so are a kubelet's probes. Servers whose network does
not enforce policies take these objects and do nothing.
"""

from typing import Any

from continuum.sites.kubernetes.objects import label, make_object, namespace_labels, select
from continuum.sites.kubernetes.settings import (
    COMPONENT_LABEL,
    GATEWAY_PORT,
    STORE_PORT,
    Manifest,
    SiteSettings,
    find_address,
    parse_address,
)

DNS_PORT = 53
API_PORTS = (443, 6443)
Rule = dict[str, Any]


def plan_network(settings: SiteSettings) -> tuple[Manifest, ...]:
    """Return the policies of both namespaces."""
    names = list(dict.fromkeys((settings.home, settings.runs)))
    common = [policy for name in names for policy in (_deny(settings, name), _dns(settings, name))]
    parts = [_agent(settings), _gateway(settings)]
    if settings.external_store is None:
        parts.append(_store(settings))
    return (*common, *parts, *_runs(settings))


def _deny(settings: SiteSettings, namespace: str) -> Manifest:
    return _policy(settings, "deny-all", namespace, {}, ingress=[], egress=[])


def _dns(settings: SiteSettings, namespace: str) -> Manifest:
    """Names are looked up; where the DNS server is differs from cluster to cluster."""
    ports = [{"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")]
    return _policy(settings, "dns", namespace, select(settings.name), egress=[{"ports": ports}])


def _agent(settings: SiteSettings) -> Manifest:
    """The agent talks to the backbone, its gateway and, where it makes pods, the API server and its pools."""
    egress = [_backbone(settings), _to(_pods(settings, "gateway"), GATEWAY_PORT)]
    if settings.has_pods:
        egress += [_tcp(*API_PORTS), {"to": [_all_pods(settings, settings.runs)]}]
    return _policy(settings, "agent", settings.home, select(settings.name, "agent"), egress=egress)


def _gateway(settings: SiteSettings) -> Manifest:
    """The gateway serves pods of its site, and talks to the backbone and to stores, whose ports their sites
    choose."""
    places = list(dict.fromkeys((settings.home, settings.runs)))
    return _policy(
        settings,
        "gateway",
        settings.home,
        select(settings.name, "gateway"),
        ingress=[_come([_all_pods(settings, each) for each in places], GATEWAY_PORT, settings)],
        egress=[{"ports": [{"protocol": "TCP"}]}],
    )


def _store(settings: SiteSettings) -> Manifest:
    """The store serves the gateway, and goes nowhere."""
    return _policy(
        settings,
        "store",
        settings.home,
        select(settings.name, "store"),
        ingress=[_come([_pods(settings, "gateway")], STORE_PORT, settings)],
    )


def _runs(settings: SiteSettings) -> tuple[Manifest, ...]:
    """Pods of runs talk among themselves (each pool has keys of its own), to the gateway, and are reached by
    the agent; drivers talk to the backbone."""
    among = [_all_pods(settings, settings.runs)]
    pods = _policy(
        settings,
        "pods-of-runs",
        settings.runs,
        _of_runs(settings),
        ingress=[{"from": [*among, _pods(settings, "agent", settings.home)]}],
        egress=[{"to": among}, _to(_pods(settings, "gateway", settings.home), GATEWAY_PORT)],
    )
    driver = _policy(
        settings, "drivers", settings.runs, select(settings.name, "driver"), egress=[_backbone(settings)]
    )
    return pods, driver


def _of_runs(settings: SiteSettings) -> Rule:
    """In one namespace for all, pods of runs are those that are nothing else."""
    if settings.home != settings.runs:
        return {"matchLabels": select(settings.name)}
    others = {"key": COMPONENT_LABEL, "operator": "NotIn", "values": ["agent", "gateway", "store"]}
    return {"matchLabels": select(settings.name), "matchExpressions": [others]}


def _backbone(settings: SiteSettings) -> Rule:
    host, port = parse_address(settings.backbone_url)
    block = find_address(host)
    return {"ports": _ports(port)} | ({"to": [{"ipBlock": {"cidr": block}}]} if block else {})


def _tcp(*ports: int) -> Rule:
    return {"ports": _ports(*ports)}


def _come(peers: list[Rule], port: int, settings: SiteSettings) -> Rule:
    """What is reached from outside is open to everybody who has a key."""
    return {"ports": _ports(port)} | ({"from": peers} if settings.outside is None else {})


def _to(peer: Rule, port: int) -> Rule:
    return {"to": [peer], "ports": _ports(port)}


def _ports(*ports: int) -> list[Rule]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def _pods(settings: SiteSettings, component: str, namespace: str = "") -> Rule:
    pods = {"podSelector": {"matchLabels": select(settings.name, component)}}
    return pods | _namespace(settings, namespace) if namespace else pods


def _all_pods(settings: SiteSettings, namespace: str) -> Rule:
    pods = {"podSelector": {"matchLabels": select(settings.name)}}
    return pods | _namespace(settings, namespace)


def _namespace(settings: SiteSettings, namespace: str) -> Rule:
    """Namespaces of ours bear labels; others may not, so that there only the pods' own labels count."""
    if not settings.makes_namespaces:
        return {"namespaceSelector": {}}
    return {"namespaceSelector": {"matchLabels": namespace_labels(settings, namespace)}}


def _policy(
    settings: SiteSettings,
    name: str,
    namespace: str,
    pods: dict[str, Any],
    *,
    ingress: list[Rule] | None = None,
    egress: list[Rule] | None = None,
) -> Manifest:
    selector = pods if not pods or "matchLabels" in pods else {"matchLabels": pods}
    spec: dict[str, Any] = {"podSelector": selector, "policyTypes": []}
    for kind, rules in (("Ingress", ingress), ("Egress", egress)):
        if rules is not None:
            spec["policyTypes"].append(kind)
            spec[kind.lower()] = rules
    return make_object(
        "networking.k8s.io/v1", "NetworkPolicy", name, namespace, label(settings.name), spec=spec
    )
