"""What knockbot knows about doors: plain Python, no I/O."""
