"""How fast and small a search is against a plain one; `python -m benchmarks.bench`, from a checkout."""
