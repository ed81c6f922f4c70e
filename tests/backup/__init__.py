"""Back-ups, of databases of either kind."""
