"""Letters: applicants are told in their conversation what becomes of their requests, as the policy says."""
