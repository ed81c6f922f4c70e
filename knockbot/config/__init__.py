"""config.yaml, the environment and secret files: read into frozen settings, each mistake with its line and key."""
