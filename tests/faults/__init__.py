"""Faults: a real knockbot, a real Synapse and a real database are killed, frozen and cut off, and nobody suffers."""
