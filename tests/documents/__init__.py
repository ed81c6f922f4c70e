"""What people write, in tables: each text with the value it gives, or the mistake it is told."""
