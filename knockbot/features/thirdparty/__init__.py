"""Third-party invites: who invites, who uses the invite, and the invites that moderators have sent."""
