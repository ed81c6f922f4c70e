"""What knockbot knows about requests and policies: plain Python, no I/O."""
