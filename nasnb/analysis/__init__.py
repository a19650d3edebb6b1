"""The papers' analyses as functions, usable on any supernet or record."""
