"""The location database as a service: the authoritative index of buckets, versions and replicas."""
