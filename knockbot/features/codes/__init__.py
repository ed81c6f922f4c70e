"""Codes that let their holders in: made by moderators, brought by applicants, each used so many times."""
