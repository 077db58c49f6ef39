"""The commands that a person runs; ``sge.__main__`` lists them."""
