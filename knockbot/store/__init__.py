"""The database edge: one file per noun."""
