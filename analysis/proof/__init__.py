"""From an accusation to a proved fix: the re-enactment, the menu of fixes, the gate, the test the team keeps."""
