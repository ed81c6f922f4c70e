"""What people write, read with care: their text, YAML, single values, and tables of keys."""
