"""All the records in one file, and what was said since such a file was written."""
