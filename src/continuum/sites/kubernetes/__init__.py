"""Sites that are Kubernetes clusters: what is deployed there, by which rules, and how it is found to be well.

Belongs here: manifests, rules over them, talking to the API server. Never here: what tasks are, how images
are built.
"""
