"""Encryption of objects at rest: the format of the stored bytes, and the master keys that wrap data keys.

Belongs here: cryptography over bytes. Never here: HTTP, S3's headers, stores.
"""
