"""`python -m benchmarks.gpu_record`: everything that is worth knowing about a graphics card, in ten minutes.

Every part runs in a process of its own, with a limit on its time: one that fails, or a card that needs a fresh start,
leaves the others alone. What is done is kept, and a second call goes on with the rest. On a CPU (`--toy`) the same
parts are run at a tiny size, which proves that they run.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu_layers import Row
from benchmarks.gpu_parts import Part, parts
from nasnb.runs.files import write_json, write_whole
from nasnb.runs.record import environment, now

BESIDE = 13  # parts that are not timed, side by side
COLUMNS = ("part", *Row._fields)
LAST_SECONDS = 8.0  # kept for writing


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    options = _options(arguments)
    device = torch.device(options.device)
    known = parts(options.data)
    if options.part:
        torch.set_num_threads(options.threads)
        for row in known[options.part].rows(device, options.toy):
            print(json.dumps(row), flush=True)
        return
    ends = time.monotonic() + 60 * options.minutes
    folder = Path(options.output)
    name = re.sub(r"[^a-z0-9]+", "-", f"{device.type} {environment(device)['device']}".lower()).strip("-")
    record = Record(folder / f"{name}{'-toy' if options.toy else ''}", device)
    wanted = [part for part in known.values() if not options.only or part.name.startswith(tuple(options.only))]
    missing = [part for part in wanted if not record.has(part.name)]
    together, alone = ([part for part in missing if part.alone is kind] for kind in (False, True))
    with ThreadPoolExecutor(BESIDE) as pool:
        for part, outcome in pool.map(lambda part: (part, _done(part, options, ends)), together):
            record.add(part.name, outcome)
    for part in alone:
        record.add(part.name, _done(part, options, ends))
    print(f"{record.path}.csv")


def _done(part: Part, options: argparse.Namespace, ends: float) -> dict[str, Any]:
    """What the part printed in a process of its own, how long it took, and how it failed if it did."""
    limit, started = min(part.seconds, ends - time.monotonic() - LAST_SECONDS), time.monotonic()
    if limit < 10:
        return {"state": "out of time", "seconds": 0.0, "rows": []}
    child = subprocess.Popen(
        _command(part, options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        printed, errors = child.communicate(timeout=limit)
        state = "done" if child.returncode == 0 else "failed"
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)  # with the processes that it started
        printed, errors = child.communicate()
        state = "stopped"
    rows = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    outcome = {"state": state, "seconds": round(time.monotonic() - started, 1), "rows": rows}
    return outcome if state == "done" else outcome | {"errors": errors[-3000:]}


def _command(part: Part, options: argparse.Namespace) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.gpu_record", "--part", part.name, "--device", options.device]
    command += ["--threads", str(options.threads)] + ["--toy"] * options.toy
    command += ["--data", options.data] if options.data else []
    return command


class Record:
    """`<path>.json` and `<path>.csv`, written anew after every part."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self.path, self.device = path, device
        file = path.with_suffix(".json")
        self.parts: dict[str, Any] = json.loads(file.read_text())["parts"] if file.exists() else {}
        path.parent.mkdir(parents=True, exist_ok=True)

    def has(self, name: str) -> bool:
        """Whether nothing of the part is missing."""
        return self.parts.get(name, {}).get("state") == "done"

    def add(self, name: str, outcome: dict[str, Any]) -> None:
        """Keep an outcome; one that was out of time never replaces an earlier one."""
        if outcome["state"] == "out of time" and name in self.parts:
            return
        self.parts[name] = outcome | {"measured": now()}
        write_json(self.path.with_suffix(".json"), environment(self.device) | {"parts": self.parts})
        write_whole(self.path.with_suffix(".csv"), _table(self.parts.items()).encode())
        print(f"{outcome['state']:>12}  {outcome['seconds']:6.1f} s  {name}", flush=True)
        for _, variant, quantity, value in outcome["rows"]:
            if isinstance(value, float | int) and not quantity.startswith(("us in", "validation", "seconds of epoch")):
                print(f"{'':14}{variant}: {quantity} {value:.6g}")
        if outcome.get("errors"):
            print(outcome["errors"][-1200:], flush=True)


def _table(outcomes: Iterable[tuple[str, dict[str, Any]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([name, *row] for name, outcome in outcomes for row in outcome["rows"])
    return text.getvalue()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_record", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of this call; a second one goes on (default: 10)")
    parser.add_argument("--only", nargs="*", help="parts whose names begin so; all of them if left out")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--toy", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--threads", type=int, default=1, help="of the processor, per part")
    parser.add_argument("--data", help="an image folder with train/<class>/* and test/<class>/* for whole searches")
    parser.add_argument("--output", default="figures/bench", help="folder of the record")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
