"""What notebooks are going to compute: data set, scale, searches, trainings and their price, told before any work.

A notebook is read through without computing: of its cells those that lead to a search or a training are executed in a
process of their own, in which runs are only noted and a few steps of each kind timed (see nasnb.runs.estimate).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import symtable
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nasnb.runs.estimate import Foreseen
from nasnb.workflow.notebook import read_notebook

RUNS = ("run_search", "run_training")


def look_for_data(jobs: Iterable[tuple[Path, Mapping[str, Any]]]) -> None:
    """Raises ValueError or FileNotFoundError if some notebook's data set is not there; nothing is read.

    `jobs` are notebooks with their values; what has no parameter `dataset` takes no images.
    """
    from nasnb.data import dataset_of, look_for
    from nasnb.workflow.parameters import parameters_of

    seen = set()
    for path, values in jobs:
        known = parameters_of(path)
        if not {"preset", "dataset", "data_dir"} <= known.keys():
            continue
        preset, dataset, data_dir = (
            values.get(name, known[name].default) for name in ("preset", "dataset", "data_dir")
        )
        wanted = dataset_of(preset, dataset), data_dir
        if wanted not in seen:
            look_for(*wanted)
            seen.add(wanted)


# --- the answer -------------------------------------------------------------------------------------------------------


def price(jobs: Sequence[tuple[Path, Mapping[str, Any]]]) -> str:
    """Of all these notebooks together, as some lines of text."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answer, said = (Path(folder) / name for name in ("jobs.json", "answer.json", "said.txt"))
        asked.write_text(json.dumps([[str(path), dict(values)] for path, values in jobs]))
        command = [sys.executable, "-m", "nasnb.workflow.ahead", str(asked), str(answer)]
        with said.open("w") as log, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log) as process:
            process.wait()  # its standard input stays open: when we die, so does it
        if not answer.exists():
            return f"the price could not be told: {(said.read_text().strip().splitlines() or ['no reason given'])[-1]}"
        answered = json.loads(answer.read_text())
    return told([Foreseen(**run) for run in answered["runs"]], answered["unforeseen"])


def told(runs: Sequence[Foreseen], unforeseen: Sequence[str]) -> str:
    """What a reader wants to know before the start."""
    from nasnb.runs.progress import duration

    least = "at least " if unforeseen else ""
    lines = [f"data: {name}" for name in dict.fromkeys(_images(run) for run in runs)]
    for kind, word in (("search", "searches"), ("train", "trainings")):
        of_kind = [run for run in runs if run.kind == kind]
        lengths = sorted({run.epochs for run in of_kind})
        epochs = f" of {', '.join(map(str, lengths))} epochs" if lengths else ""
        lines.append(
            f"{word}: {least}{len(of_kind)}{epochs}, {sum(run.is_finished for run in of_kind)} of them finished"
        )
    left = [run for run in runs if not run.is_finished]
    seconds = {kind: sum(run.seconds for run in left if run.kind == kind) for kind in ("search", "train")}
    steps, device = sum(run.steps for run in left), ", ".join(dict.fromkeys(run.device for run in left))
    if left:
        lines.append(
            f"price: {least}about {duration(sum(seconds.values()))} for {steps} steps, timed here ({device}): "
            f"searches {duration(seconds['search'])}, trainings {duration(seconds['train'])}; "
            "analyses come on top"
        )
    else:
        lines.append("price: nothing to compute but analyses")
    if unforeseen:
        lines.append(f"not foreseen, since results decide there: {'; '.join(unforeseen)}")
    return "\n".join(lines)


def _images(run: Foreseen) -> str:
    part = f"{run.images:,} of {run.of:,}" if run.images < run.of else f"{run.of:,}"
    return f"{run.data}, {part} training images"


# --- in the other process ---------------------------------------------------------------------------------------------


def cells_towards_runs(sources: Sequence[str]) -> tuple[set[int], set[int]]:
    """Which cells mention a search or a training, and which make what these need, themselves or by others."""
    names = [_Names(source) for source in sources]
    markers = set(RUNS)
    for _ in names:  # functions that call such functions, and so on
        markers |= {name for cell in names for name, uses in cell.functions.items() if uses & markers}
    towards = {number for number, cell in enumerate(names) if cell.loads & markers}
    makers: set[int] = set()
    needed = {name for number in towards for name in names[number].loads}
    before = range(max(towards, default=0))
    while more := {number for number in before if names[number].stores & needed} - towards - makers:
        makers |= more
        needed |= {name for number in more for name in names[number].loads}
    return towards, makers


class _Names:
    """Which names of the notebook a cell makes and which it uses."""

    def __init__(self, source: str):
        self.stores: set[str] = set()
        self.loads: set[str] = set()
        self.functions: dict[str, set[str]] = {}
        try:
            table = symtable.symtable(source, "cell", "exec")
        except (SyntaxError, ValueError):  # magics of IPython
            return
        for symbol in table.get_symbols():
            if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                self.stores.add(symbol.get_name())
            if symbol.is_referenced():
                self.loads.add(symbol.get_name())
        for child in table.get_children():
            used = _globals_of(child)
            self.loads |= used
            self.functions.setdefault(child.get_name(), set()).update(used)


def _globals_of(table: symtable.SymbolTable) -> set[str]:
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced()}
    return own.union(*map(_globals_of, table.get_children()))


def _read_through(path: Path, values: Mapping[str, Any]) -> list[str]:
    """Execute the cells that lead to runs; what could not be executed, with its reason."""
    cells = [(number, cell) for number, cell in enumerate(read_notebook(path).cells, 1) if cell.cell_type == "code"]
    towards, makers = cells_towards_runs([cell.source for _, cell in cells])
    failed: list[str] = []
    namespace: dict[str, Any] = {"__name__": "__main__", "display": lambda *_, **__: None}
    for order, (number, cell) in enumerate(cells):
        is_parameters = "parameters" in cell.metadata.get("tags", [])
        if order not in towards | makers and not is_parameters:
            continue
        try:
            exec(compile(cell.source, f"{path.name}, cell {number}", "exec"), namespace)
        except Exception as error:  # the next cells may do without
            if order in towards:
                failed.append(f"{path.stem}, cell {number} ({type(error).__name__}: {str(error)[:60]})")
        if is_parameters:
            namespace |= values
    return failed


def _main(asked: str, answer: str) -> None:
    from nasnb.runs.estimate import Foresight, foresee

    foresight, failed = Foresight(), []
    foresee(foresight)
    warnings.simplefilter("ignore")
    os.environ["MPLBACKEND"] = "agg"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for path, values in json.loads(Path(asked).read_text()):
            failed += _read_through(Path(path), values)
    told = {"runs": [asdict(run) for run in foresight.runs.values()], "unforeseen": list(dict.fromkeys(failed))}
    Path(answer).write_text(json.dumps(told))


if __name__ == "__main__":
    from nasnb.workflow.pool import stop_with_parent

    stop_with_parent()
    _main(*sys.argv[1:])
