"""Reason templates: a rejection with a text that is ready, by one tap on a card or by its name."""
