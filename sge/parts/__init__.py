"""Maps and geometry in, named positions out."""
