"""Programs for a machine with a GPU: trainings, gates and the kernel of the SGE module."""
