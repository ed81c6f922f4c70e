"""One message a day in place of a card for each knock."""
