"""What a person runs from a terminal."""
