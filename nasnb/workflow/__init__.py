"""Notebooks as programs: executed, in sweeps, as a book, from the command line."""
