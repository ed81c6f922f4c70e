"""Knockbot keeps the door of Matrix rooms."""

from __future__ import annotations

__version__ = "0.1.0.dev0"
