"""Faults of the disk: whatever fails at whatever moment, nothing whole is lost, the next call ends in the same.

Every request of the disk fails once (see faults.py), from several beginnings: nothing there, stopped half-way,
finished, finished with a damaged file beside.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import warnings
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_data
from faults import failing
from PIL import Image
from test_resume import differing, small
from test_runs import CONFIG, Counter, same, toy

from nasnb.config import SearchConfig, TrainConfig
from nasnb.data import folders
from nasnb.experiment import run_search, run_training
from nasnb.runs import Run, checkpoint, run_once
from nasnb.runs.files import checksum, unwritable
from nasnb.runs.kept import keep, kept
from nasnb.workflow import row as rows
from nasnb.workflow.sweep_file import Row

ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.ESTALE)


class Case(NamedTuple):
    """What is done in a folder, what must come out, and how it is told apart."""

    prepare: Callable[[Path], None]  # what lies there before
    work: Callable[[Path], Any]
    same: Callable[[Any, Any], bool]


def every_fault(case: Case, tmp_path: Path, *, step: int = 1) -> int:
    """Let each request fail in turn, with the errors in turn; returns how many there are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged files: other tests read those
        before = tmp_path / "before"
        before.mkdir()
        case.prepare(before)
        expected = case.work(shutil.copytree(before, tmp_path / "expected"))
        for nth in count(1, step):
            folder = shutil.copytree(before, tmp_path / "tried", symlinks=True)
            with failing(folder, nth, ERRORS[nth % len(ERRORS)]) as disk:
                try:
                    case.work(folder)
                except (OSError, ValueError) as error:
                    named = str(folder) in str(error) or getattr(error, "filename", None)
                    assert named, f"{disk.failed}: {error} names no file"
            if disk.failed is None:
                return disk.asked
            lost = whole(before) - whole(folder)
            assert not lost, f"{disk.failed} lost {lost}"
            assert not list(folder.rglob("*.damaged")) or list(before.rglob("broken")), f"{disk.failed} blamed a file"
            assert case.same(case.work(folder), expected), f"{disk.failed} changed the result"
            shutil.rmtree(folder)
    raise AssertionError("there are always more requests")


def whole(folder: Path) -> set[str]:
    """Whole things that no later one has replaced: the newest checkpoint of a run, kept results, rows' results."""
    found = set()
    for run in {path.parent for path in folder.rglob("checkpoint-*.pt")}:
        good = [path for path in checkpoint.newest_first(run) if checksum(path.read_bytes()) in path.name]
        if good:
            found |= {f"{run.name} at {place}" for place in places_up_to(good[0].name)}
    found |= {path.name for path in folder.rglob("result.json") if path.stat().st_size}
    return found | {f"kept {path.name}" for path in folder.rglob("*.svg") if not path.name.startswith(".")}


def places_up_to(name: str) -> set[tuple[int, int]]:
    epoch, step = int(name.split("-")[1]), int(name.split("-")[2])
    return {(e, s) for e in range(epoch + 1) for s in range(20) if (e, s) <= (epoch, step)}


# --- a run ------------------------------------------------------------------------------------------------------------


def finish(folder: Path, **more: Any):
    run = Run("search", method="toy", config=CONFIG, data=tiny_data(), runs_dir=folder / "runs", facts={})
    result = run.finish(toy(**more), save_every=0.0)
    result.state()
    return result


def stopped(folder: Path) -> None:
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finish(folder, watch=Counter(stop, at=(7,)))


def damaged(pattern: str) -> Callable[[Path], None]:
    """A finished run, of which one file is damaged."""

    def prepare(folder: Path) -> None:
        finish(folder)
        path = max((folder / "runs").glob(f"*/{pattern}"))
        path.write_bytes(path.read_bytes()[:-9])
        (folder / "broken").touch()

    return prepare


BEGINNINGS = {
    "nothing": lambda folder: None,
    "stopped": stopped,
    "finished": finish,
    "record": damaged("record.json"),
    "history": damaged("history.csv"),
    "newest checkpoint": damaged("checkpoint-00003-*"),
}
RUNS = {f"run, {name}": Case(prepare, finish, same) for name, prepare in BEGINNINGS.items()}


# --- real searches and trainings --------------------------------------------------------------------------------------


def searched(folder: Path):
    config = SearchConfig(epochs=1, batch_size=16, channels=4, cells=3)
    return run_search(small("darts-1st"), tiny_data(n=32), config, runs_dir=folder / "runs")


def trained(folder: Path):
    space = small("darts-1st").space
    genotype = space.discretise({g: torch.eye(*space.choices.shape(g)) for g in space.choices.groups})
    config = TrainConfig(epochs=1, batch_size=16, channels=4, cells=3, auxiliary_weight=0.0)
    return run_training(space, genotype, tiny_data(n=32), config, runs_dir=folder / "runs")


def equal(a, b) -> bool:
    return differing(a, b) == 0


REAL = {
    "search": Case(lambda folder: None, searched, equal),
    "search, finished": Case(searched, searched, equal),
    "training": Case(lambda folder: None, trained, equal),
}


# --- a row, an analysis, a kept result, the cache of an image folder --------------------------------------------------


def row_of(folder: Path) -> Row:
    return Row(
        step="a",
        notebook=Path("a.ipynb"),
        values={"seed": 1},
        told={},
        key="0123456789",
        job=None,
        folder=folder / "sweeps" / "s" / "a-0123456789",
    )


def ran(folder: Path):
    row = row_of(folder)
    rows.run_row(row)
    assert row.is_finished() and rows.attempts(row.folder)[-1]["state"] == "finished"
    return rows.read_json(row.result)["values"]


def half_run(folder: Path) -> None:
    row = row_of(folder)
    row.folder.mkdir(parents=True)
    row.result.touch()  # nothing in it, as after a power cut
    (row.folder / "attempts.json").write_text('[{"started": "", "state": "run')
    (folder / "broken").touch()


def analysed(folder: Path):
    table = pd.DataFrame({"x": [0.1, np.nan], "op": ["a", "b"]})
    return run_once("skip", {"n": 2}, lambda: {"array": np.arange(6.0), "table": table}, runs_dir=folder / "runs")


def same_analysis(a, b) -> bool:
    return np.array_equal(a["array"], b["array"]) and a["table"].equals(b["table"])


def keeping(number: int) -> Callable[[Path], Any]:
    record = {"data": "tiny", "config": {}, "seed": [0], "device": "CPU", "commit": "a" * 40, "seconds": 1.5}

    def work(folder: Path):
        table = pd.DataFrame({"value": [number]})
        keep("chapter/figure", f"<svg>{number}</svg>", table, record, figures_dir=folder)
        return kept("chapter/figure", figures_dir=folder)

    return work


def same_kept(a, b) -> bool:
    return a.svg == b.svg and a.table.equals(b.table)


def with_images(folder: Path) -> None:
    for part in ("train", "test"):
        for name, shade in (("dark", 40), ("light", 200)):
            inside = folder / part / name
            inside.mkdir(parents=True)
            Image.fromarray(np.full((8, 8, 3), shade, np.uint8)).save(inside / "0.png")


def loaded(folder: Path):
    return folders.read_folder(folder, image_size=8)[0].images


OTHERS = {
    "row": Case(lambda folder: None, ran, lambda a, b: a == b),
    "row, damaged": Case(half_run, ran, lambda a, b: a == b),
    "analysis": Case(lambda folder: None, analysed, same_analysis),
    "analysis, finished": Case(analysed, analysed, same_analysis),
    "kept": Case(lambda folder: None, keeping(1), same_kept),
    "kept again": Case(keeping(1), keeping(2), same_kept),
    "image cache": Case(with_images, loaded, torch.equal),
    "image cache, there": Case(lambda folder: (with_images(folder), loaded(folder)), loaded, torch.equal),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No waiting for the disk, and rows that start no kernel."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    monkeypatch.setattr(rows, "execute", lambda notebook, output, values: 1.0)


@pytest.mark.parametrize("name", [*RUNS, *OTHERS])
def test_faults_cost_nothing(name, tmp_path):
    """Of long lists every third; the next test tries every one."""
    every_fault((RUNS | OTHERS)[name], tmp_path, step=3 if name in RUNS else 1)


@pytest.mark.parametrize("name", ["search"])
def test_faults_cost_a_search_nothing(name, tmp_path):
    every_fault(REAL[name], tmp_path, step=12)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*RUNS, *REAL])
def test_every_fault_costs_nothing(name, tmp_path):
    print(f"{name}: {every_fault((RUNS | REAL)[name], tmp_path)} requests, each failed once")


def test_kept_results_are_never_mixed(tmp_path):
    """Whatever fails while a result is kept anew, the old parts are found, or the new ones, and nothing of both."""
    keeping(1)(tmp_path / "before")
    for nth in count(1):
        folder = shutil.copytree(tmp_path / "before", tmp_path / str(nth))
        with failing(folder, nth, errno.ENOSPC) as disk, contextlib.suppress(OSError):
            keeping(2)(folder)
        found = kept("chapter/figure", figures_dir=folder)
        assert found.svg == f"<svg>{found.table['value'][0]}</svg>", disk.failed
        if disk.failed is None:
            return


# --- what is said, and what is left alone -----------------------------------------------------------------------------


def only(folder: Path, pattern: str) -> Path:
    return max((folder / "runs").glob(f"*/{pattern}"))


def test_checkpoints_that_cannot_be_read_or_loaded_are_left_alone(tmp_path, monkeypatch):
    stopped(tmp_path)
    before = sorted(path.name for path in tmp_path.rglob("checkpoint*"))
    with monkeypatch.context() as patch:
        patch.setattr(
            checkpoint, "read_whole", lambda path: (_ for _ in ()).throw(PermissionError(f"cannot read {path}"))
        )
        with pytest.raises(PermissionError, match="cannot read .*checkpoint"):
            finish(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: (_ for _ in ()).throw(AttributeError("of another torch")))
        with pytest.raises(
            RuntimeError, match=r"is whole, but cannot be loaded here .*of another torch.*nothing was changed"
        ):
            finish(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("checkpoint*")) == before


def test_the_state_of_a_finished_run_is_never_an_older_one(tmp_path):
    whole = finish(tmp_path / "whole")
    result = finish(tmp_path)
    newest = only(tmp_path, "checkpoint-00003-*")
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="has a wrong checksum"):
        state = result.state()
    assert (state.epoch, state.step) == (3, 0) and torch.equal(state.value, whole.state().value)
    assert newest.with_name(f"{newest.name}.damaged").exists()


@pytest.mark.parametrize("name", ["record.json", "history.csv", "weights.npz", "genotypes.json", "identity.json"])
@pytest.mark.parametrize("content", [b"", b"[1]"])
def test_files_beside_a_whole_checkpoint_are_made_again(tmp_path, name, content):
    whole = finish(tmp_path)
    only(tmp_path, name).write_bytes(content)
    with pytest.warns(UserWarning, match=f"{name} .*(damaged|passed over)"):
        again = finish(tmp_path)
    assert same(whole, again) and again.record["resumed"] == 0


def test_a_run_folder_that_is_removed_hides_no_interruption(tmp_path):
    def remove_and_stop():
        shutil.rmtree(tmp_path / "runs")
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        finish(tmp_path, watch=Counter(remove_and_stop, at=(3,)))


def test_the_cure_fits_the_error(tmp_path):
    told = {
        number: str(unwritable(OSError(number, os.strerror(number)), tmp_path / "x"))
        for number in (errno.ENAMETOOLONG, errno.ENOSPC, errno.ENOENT, errno.EACCES)
    }
    assert "shorter name" in told[errno.ENAMETOOLONG] and "free some space" in told[errno.ENOSPC]
    assert "its folder was removed meanwhile" in told[errno.ENOENT]
    assert [number for number, text in told.items() if "choose a runs_dir" in text] == [errno.EACCES]


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a.b", "a/../b", "", "-x"])
def test_kept_results_have_names_that_lead_nowhere_else(tmp_path, name):
    with pytest.raises(ValueError, match="cannot name a file"):
        kept(name, figures_dir=tmp_path)


def test_a_kept_result_of_parts_that_do_not_belong_together_is_refused(tmp_path):
    keeping(1)(tmp_path)
    (tmp_path / "chapter/figure.csv").write_text("value\n2\n")
    with pytest.raises(ValueError, match=r"figure.csv is missing or is not what figure.json tells of"):
        kept("chapter/figure", figures_dir=tmp_path)
