"""Proofs: whatever is killed, cut off, raced or damaged, each check-in counts exactly once."""
