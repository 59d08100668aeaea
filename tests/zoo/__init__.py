"""Racy handlers and their innocent twins, read and re-enacted for real."""
