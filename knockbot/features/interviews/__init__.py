"""Interviews: a private room with the applicant of a request and the moderators who want to talk to them."""
