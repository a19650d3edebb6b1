"""Searches killed at random moments, without warning, and run again until they end: does it change a bit?

    python tests/runs/kill_at_random.py FOLDER --kills 100 --csv figures/faults/kills.csv

Imports torch once, then forks. Every method searches in a small space and saves at every step. Each kill is a SIGKILL
at a moment drawn evenly over the time that a whole search takes. Prints a line of figures per method as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = map(str, (TESTS, TESTS / "search", TESTS / "runs"))

from test_methods import config_of, data_of, small  # noqa: E402
from test_resume import differing  # noqa: E402

from nasnb.experiment import run_search  # noqa: E402
from nasnb.methods import METHODS  # noqa: E402
from nasnb.runs import Result, Run  # noqa: E402
from nasnb.search import begin  # noqa: E402


def compute(name: str, runs_dir: Path) -> Result:
    """A search that writes a checkpoint at every step."""
    method = small(METHODS[name])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Run.finish.__kwdefaults__, "save_every", 0.0)
        return run_search(method, data_of(method), config_of(method), runs_dir=runs_dir)


def fork(name: str, runs_dir: Path) -> int:
    """The process id of a child that computes."""
    pid = os.fork()
    if pid == 0:
        try:
            compute(name, runs_dir)
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def kill_at_random(name: str, folder: Path, *, kills: int, seed: int) -> dict[str, int | str]:
    """Kill a search so often, and compare it with one left alone whenever it comes to its end."""
    method = small(METHODS[name])
    begin(method, data_of(method), config_of(method))  # torch imports much when the first optimiser is made
    started = time.monotonic()
    assert os.waitpid(fork(name, folder / "whole"), 0)[1] == 0
    seconds, draw = time.monotonic() - started, random.Random(f"{name} {seed}")
    figures: dict[str, int | str] = {"method": name, "kills": 0, "ends": 0, "resumes": 0, "bits": 0, "leftovers": 0}
    while figures["kills"] < kills or not figures["ends"]:
        pid = fork(name, folder / "killed")
        if figures["kills"] < kills:
            time.sleep(draw.uniform(0.0, 1.0) * seconds)
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if status == signal.SIGKILL:
            figures["kills"] += 1
            continue
        assert status == 0, f"{name} ended with status {status}"
        whole, ended = compute(name, folder / "whole"), compute(name, folder / "killed")
        figures["ends"] += 1
        figures["resumes"] += ended.record["resumed"]
        figures["bits"] += differing(whole, ended)
        figures["leftovers"] += sum(path.name.startswith(".") for path in ended.folder.iterdir())
        shutil.rmtree(folder / "killed")
    return figures


def with_total(lines: list[dict[str, int | str]]) -> pd.DataFrame:
    """A row per method, and one of their sums."""
    table = pd.DataFrame(lines)
    return pd.concat([table, table.drop(columns="method").sum().to_frame().T.assign(method="all")])[table.columns]


def main() -> None:
    """Shares the kills out among the methods."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="an empty folder to compute in")
    parser.add_argument("--methods", nargs="*", default=[*METHODS])
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--csv", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    share, rest = divmod(arguments.kills, len(arguments.methods))
    lines = [
        kill_at_random(name, arguments.folder / name, kills=share + (n < rest), seed=0)
        for n, name in enumerate(arguments.methods)
    ]
    if arguments.csv:
        with_total(lines).to_csv(arguments.csv, index=False)
    print(json.dumps(lines))


if __name__ == "__main__":
    main()
