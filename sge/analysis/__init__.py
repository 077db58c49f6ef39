"""What was seen in one image: its data, drawings, and files."""
