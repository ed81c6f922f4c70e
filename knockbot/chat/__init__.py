"""What people read in chat: the sentences, in each language."""
