"""What is looked up, as frozen values: commands show it, and whatever else will."""
