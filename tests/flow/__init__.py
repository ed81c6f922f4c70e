"""The flow on a real database of each kind, with the homeserver's part played by plain callables."""
