"""A throwaway homeserver and the played story behind `make demo`."""
