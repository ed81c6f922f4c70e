"""The keys of the bot: its device, its sessions, and the back-up of its room keys."""
