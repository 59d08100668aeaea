"""Logs that this project did not write, where `../shared/corpus` is there: read whole, and read right."""
