"""Sites elsewhere: letting them in, and shutting them out again.

Belongs here: the invitation (what a site elsewhere is told and trusted with), who is invited to a home, and
that the backbone knows it at once. Never here: what is made of an invitation (objects of a cluster, a job).
"""
