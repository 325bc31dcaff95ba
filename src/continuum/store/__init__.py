"""The global object store: one S3 name space over the stores of all sites (Sky Store).

Belongs here: gateways (the S3 endpoint of a site), the locator (where every version of every object is), the adapters to real
stores. Never here: what objects mean, who computes on them.
"""
