"""Who is who, and how that is proved: TLS settings, the certificate authority, identities, signed messages.

Belongs here: everything that makes or checks a proof. Never here: what an identity is allowed to do with objects or tasks;
that is decided where it is done.
"""
