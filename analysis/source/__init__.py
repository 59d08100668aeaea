"""The code under suspicion, read and never imported."""
