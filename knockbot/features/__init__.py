"""What knockbot does beyond knocks, each in a folder of its own."""
