"""Who is at a request, so that no two moderators work on the same."""
