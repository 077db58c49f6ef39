"""Where a model, an image and a part finder meet."""
