"""The Matrix edge over real HTTP, against a homeserver that answers by script."""
