"""The network in which all candidates compete, and the final ones made of its parts."""
