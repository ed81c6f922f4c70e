"""Answers that take the votes of several moderators."""
