"""A plain folder as a store: a small server that speaks S3 over the files in it.

Belongs here: how keys are files, how a file appears whole or not at all, the server's process. What asks it
(gateways, transfers, verification, scans) knows it as any S3 store.
"""
