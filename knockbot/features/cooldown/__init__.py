"""Who was rejected waits for a time before they may ask again, as the policy says."""
