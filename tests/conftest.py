"""What every test shares: property tests that judge behaviour and never speed."""

from hypothesis import HealthCheck, settings

settings.register_profile("concordat", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("concordat")
