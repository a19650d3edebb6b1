"""Run folders: names, checkpoints, records, results. The only owner of file names."""

from nasnb.runs.once import run_once
from nasnb.runs.result import Finished, Result
from nasnb.runs.run import Run, Task

__all__ = ["Finished", "Result", "Run", "Task", "run_once"]
