"""What was computed of one image: data, drawings, records and files."""
