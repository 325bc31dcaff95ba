"""`make fuzz` asks properties of what comes from the network for more inputs than a test run has time for."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz", max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
