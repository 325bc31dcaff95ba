"""Who may do what in a site's namespaces: the agent's account, and pods without any. Pure.

The agent makes pods of runs, so it may in the namespace of runs; it may nothing elsewhere and nothing in the
whole cluster. It cannot read Secrets: whoever may create pods in a namespace can mount what is there, and
identities lie in the other one.
"""

from continuum.sites.kubernetes.objects import label, make_object
from continuum.sites.kubernetes.settings import Manifest, SiteSettings

ACCOUNT = "agent"
RBAC = "rbac.authorization.k8s.io"

# API group, resources, verbs: and who needs them.
AGENT_RIGHTS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("", ("pods",), ("create", "list", "delete")),  # workers
    ("", ("services",), ("create", "get")),  # by which a pool's pods find each other
    ("", ("configmaps",), ("create", "get", "delete")),  # the owner of all that a pool is made of
    ("", ("secrets",), ("create",)),  # the keys of a pool
    ("", ("events",), ("list",)),  # why no pod comes
    ("apps", ("deployments",), ("create",)),  # schedulers
)


def plan_rights(settings: SiteSettings) -> tuple[Manifest, ...]:
    """Return the agent's account, and its role where it makes pods."""
    labels = label(settings.name, "agent")
    account = make_object("v1", "ServiceAccount", ACCOUNT, settings.home, labels)
    account["automountServiceAccountToken"] = False
    if not settings.has_pods:
        return (account,)
    role = make_object(f"{RBAC}/v1", "Role", ACCOUNT, settings.runs, labels, rules=_rules())
    binding = make_object(
        f"{RBAC}/v1",
        "RoleBinding",
        ACCOUNT,
        settings.runs,
        labels,
        roleRef={"apiGroup": RBAC, "kind": "Role", "name": ACCOUNT},
        subjects=[{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": settings.home}],
    )
    return account, role, binding


def _rules() -> list[Manifest]:
    return [
        {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
        for group, resources, verbs in AGENT_RIGHTS
    ]
