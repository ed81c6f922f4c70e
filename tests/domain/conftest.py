"""Generated examples are the same on every run and never timed: a slow machine is no broken promise."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("domain", deadline=None, derandomize=True, database=None)
settings.load_profile("domain")
