"""Image bytes to network input, and mask cells back to pixels."""
