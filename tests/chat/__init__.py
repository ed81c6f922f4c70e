"""What people read and type: sentences, cards, and the words of whoever writes to a moderator."""
