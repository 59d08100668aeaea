"""The outside world comes in here, and only here."""
