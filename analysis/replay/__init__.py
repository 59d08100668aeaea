"""Re-enactment on a real PostgreSQL: the suspected race, every way it can go."""
