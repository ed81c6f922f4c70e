"""Whole journeys: the running bot beside a real Synapse, and the people at the door."""
