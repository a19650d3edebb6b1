"""Run folders: names, checkpoints, records, results. The only owner of file names."""

from nasnb.runs.estimate import estimate_only
from nasnb.runs.once import run_once
from nasnb.runs.result import Finished, Result
from nasnb.runs.run import Run
from nasnb.runs.session import Task
from nasnb.runs.table import compare, find_runs

__all__ = ["Finished", "Result", "Run", "Task", "compare", "estimate_only", "find_runs", "run_once"]
