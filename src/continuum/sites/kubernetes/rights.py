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
    ("", ("pods",), ("create", "get", "list", "watch", "delete")),  # workers
    ("", ("pods/log",), ("get",)),  # the last words of a worker that ended
    ("", ("services", "configmaps"), ("create", "get", "delete", "patch")),  # a pool's name; its owner
    ("", ("secrets",), ("create", "delete")),  # the keys of a pool
    ("", ("events", "resourcequotas"), ("get", "list")),  # why no pod comes; how many may
    ("apps", ("deployments",), ("create", "get", "delete", "patch")),  # schedulers
    ("batch", ("jobs",), ("create", "get", "list", "watch", "delete")),  # drivers
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
