"""How many inputs properties are tried with, and how long one may take."""

from hypothesis import HealthCheck, settings

# No test depends on the machine's pace: without a deadline for a single input, which a busy machine misses.
settings.register_profile("steady", deadline=None)
settings.load_profile("steady")

# `make fuzz` asks properties of what comes from the network for more inputs than a test run has time for.
settings.register_profile(
    "fuzz", max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
