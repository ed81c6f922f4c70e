"""The words that people read: the catalogue of sentences and its translations."""
