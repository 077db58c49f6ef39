"""Lists images of folders and tar archives, decodes them once, and batches them."""
