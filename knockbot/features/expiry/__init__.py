"""Invites that nobody takes in time are withdrawn, as the policy says."""
