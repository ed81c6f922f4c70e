"""The identity servers: what they know of an invite by email, and how they are asked."""
