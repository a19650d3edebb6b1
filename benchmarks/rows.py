"""`python -m benchmarks.rows .venv-cluster/bin/snakemake`: a thousand rows that do nothing, through the local profile.

What is left is the workflow engine: its time, memory and files for so many rows. `nasnb` is replaced by a script that
answers like it, every tenth row needing the one before.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import psutil

from nasnb.runs.files import write_whole
from nasnb.runs.record import children_seconds

ROOT = Path(__file__).resolve().parents[1]
JOB = {"cpus": 1, "memory_gb": 1, "minutes": 1, "gpus": 0}
IN_PLACE_OF_NASNB = """#!{python}
import json, sys
from pathlib import Path

_, _, _, command, *rest = sys.argv  # -m nasnb sweep|row ...
if command == "sweep":
    print(Path("plan.json").read_text())
else:
    folder = Path("runs") / rest[-1]
    for name in ("executed.ipynb", "result.json"):
        (folder / name).write_text("{{}}")
"""


def planned(rows: int, folder: Path) -> dict:
    """What `nasnb sweep --plan` would print."""
    names = [f"row-{number}" for number in range(rows)]
    needs = [[names[number - 1]] if number % 10 == 9 else [] for number in range(rows)]
    lines = zip(names, needs, strict=True)
    return {"rows": [{"name": n, "folder": str(folder / "runs" / n), "needs": need, "job": JOB} for n, need in lines]}


def prepared(folder: Path, rows: int) -> Path:
    """The workflow in a folder of its own; the script that answers in place of `nasnb`."""
    shutil.copy(ROOT / "Snakefile", folder)
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "plan.json").write_text(json.dumps(planned(rows, folder)))
    script = folder / "nasnb-stand-in"
    script.write_text(IN_PLACE_OF_NASNB.format(python=sys.executable))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def through(snakemake: Path, rows: int) -> dict[str, float]:
    """Processor seconds, memory and files that the engine takes for so many rows. All of them must finish."""
    with tempfile.TemporaryDirectory(prefix="rows-") as name:
        folder = Path(name).resolve()
        script = prepared(folder, rows)
        command = [snakemake.absolute(), "--profile", "profiles/local", "--config", "sweep=none", f"python={script}"]
        before, peak = children_seconds(), 0
        with (folder / "log").open("w") as log:
            engine = psutil.Popen(command, cwd=folder, stdout=log, stderr=log)
            while engine.poll() is None:
                peak = max(peak, _memory(engine))
                time.sleep(0.2)
        seconds, finished = children_seconds() - before, len(list(folder.glob("runs/*/result.json")))
        if engine.returncode or finished < rows:
            raise SystemExit(f"{finished} of {rows} rows finished:\n{(folder / 'log').read_text()[-2000:]}")
        own = [path for path in (folder / ".snakemake").rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in own)
    return {
        "rows": rows,
        "processor seconds": round(seconds, 1),
        "of a row": round(seconds / rows, 3),
        "peak memory (MB)": round(peak / 1e6),
        "files of the engine": len(own),
        "MB of the engine": round(size / 1e6, 1),
    }


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rows", description=__doc__.splitlines()[0])
    parser.add_argument("snakemake", type=Path, help="the program, such as .venv-cluster/bin/snakemake")
    parser.add_argument("--rows", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--output", type=Path, help="file for the table; nothing is kept without")
    options = parser.parse_args(arguments)
    table = pd.DataFrame([through(options.snakemake, rows) for rows in options.rows])
    print(table.to_string(index=False))
    if options.output:
        write_whole(options.output, table.to_csv(index=False, lineterminator=os.linesep).encode())


if __name__ == "__main__":
    main()
