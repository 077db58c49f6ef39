"""The other servers, each as its documentation has it: a program of its own that imports nothing of this package."""
