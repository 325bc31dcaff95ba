"""Supervision: running a plan of processes as one, on one machine, for as long as it takes.

Belongs here: what a plan is made of, starting in order of need, proving readiness, restarting what dies,
stopping all, status. Never here: which processes there are; that is the business of whoever makes the plan.
"""
