"""Made-up incidents whose every link is known, to score links by evidence on logs that nobody tuned them for."""
