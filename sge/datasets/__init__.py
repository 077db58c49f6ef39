"""Lists labelled images, decodes them once, and batches them."""
