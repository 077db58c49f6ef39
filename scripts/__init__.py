"""Programs that make the figures, shipped weights and measurements."""
