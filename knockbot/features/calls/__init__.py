"""Who is called about a room, and the hours in which nobody is."""
