"""What is looked up, as frozen values: commands show them, and other front ends can."""
