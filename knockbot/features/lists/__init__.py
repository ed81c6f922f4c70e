"""Policy lists: rooms in which others say whom they do not want."""
