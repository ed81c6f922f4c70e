"""What happens to a request that waits: moderators are reminded, told of it daily, and in the end it expires."""
