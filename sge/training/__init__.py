"""Training from a terminal: data, augmentation, teachers, the loop."""
