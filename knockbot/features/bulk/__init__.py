"""Bulk: one answer to many requests, asked about first, then given a few at a time."""
