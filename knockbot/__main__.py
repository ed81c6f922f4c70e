"""Lets ``python -m knockbot`` stand in for the ``knockbot`` command."""

from __future__ import annotations

import sys

from knockbot.cli import main

if __name__ == "__main__":
    sys.exit(main())
