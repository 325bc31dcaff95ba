"""Chaos: a real continuum under load and faults, and checkers that decide whether it kept its promises.

`python -m benchmarks.chaos` starts two sites and a hub, in network namespaces of their own where that is
possible, joined by a shaped link. Clients at both sites write and read; a nemesis kills, pauses and cuts off
processes by a schedule that its seed determines. Every request and its outcome is recorded. Afterwards the
history is checked: each key must behave like one register (linearisability), no byte may be wrong, lists
must show what was acknowledged, both sites must agree in the end.

Pure: `bodies`, `records`, `linearising`, `checking`, `schedules`, `reports`, `timelines`. The others act.
"""
