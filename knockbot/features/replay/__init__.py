"""Policies are tried with what was decided before, and applied to the requests that wait."""
