"""Searching: `for epoch in search(method, data, config)`, and the parts that a method is made of."""

from nasnb.search.loop import Epoch, run_phase, search, validate
from nasnb.search.state import SearchState, begin

__all__ = ["Epoch", "SearchState", "begin", "run_phase", "search", "validate"]
