"""Makes ``python -m knockbot`` work like the ``knockbot`` command."""

from __future__ import annotations

import sys

from knockbot.cli import main

if __name__ == "__main__":
    sys.exit(main())
