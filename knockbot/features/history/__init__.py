"""The past of applicants: how their earlier requests ended."""
