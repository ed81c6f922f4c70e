"""People whose name looks like that of somebody with power in the room."""
