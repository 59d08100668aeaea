"""Pure functions: table in, table out."""
