"""What operators see: metrics over HTTP, and the log."""
