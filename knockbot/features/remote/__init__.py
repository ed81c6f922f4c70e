"""Applicants of other servers, whom nobody tells of a rejection."""
