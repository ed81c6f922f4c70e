"""Promises and the tests that hold knockbot to them."""
