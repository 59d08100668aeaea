"""From raw log exports to a proved fix."""
