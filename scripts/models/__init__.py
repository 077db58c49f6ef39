"""How shipped weights are made."""
