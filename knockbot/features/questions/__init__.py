"""Questions: applicants are asked in their conversation, by the policy or by a moderator, and their answers count."""
