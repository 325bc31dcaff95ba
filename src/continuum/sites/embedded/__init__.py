"""The embedded continuum: a hub and a few sites on one machine, supervised as one.

Belongs here: choosing ports and binaries, the plan of all processes, starting, watching and stopping them.
Never here: what any of the processes does.
"""
