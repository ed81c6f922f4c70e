"""The maubot plug-in of the benchmark; maubot itself lives in an environment of its own."""
