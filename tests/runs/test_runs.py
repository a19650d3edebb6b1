"""Run folders: names, resume, records, and everything that may go wrong with a file."""

from __future__ import annotations

import errno
import functools
import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nasnb.architecture import Genotype
from nasnb.config import SearchConfig
from nasnb.data import channel_statistics
from nasnb.methods import METHODS
from nasnb.runs import Finished, Run, Task, checkpoint, compare, estimate, files, find_runs, locks, run_once
from nasnb.runs.identity import describe, digest, folder_name
from nasnb.runs.progress import duration
from nasnb.runs.record import SCHEMA, peak_memory
from nasnb.runs.result import History

GENOTYPE = Genotype.from_short(normal="s30 s31 / s30 sk1", reduce="mp0 s31 / s30 sk1")
CONFIG = SearchConfig(epochs=3, seed=5)
STEPS = 4


@dataclass
class Toy:
    """A computation in the shape of a search: a number that every step changes, by a rule that epoch and step tell."""

    value: torch.Tensor
    epoch: int = 0
    step: int = 0

    def state_dict(self) -> dict:
        return {"value": self.value, "epoch": self.epoch, "step": self.step}

    def load_state_dict(self, saved: dict) -> None:
        self.value, self.epoch, self.step = saved["value"].clone(), saved["epoch"], saved["step"]


def toy(*, watch: Callable[[Toy], None] = lambda state: None, epochs: int = 3) -> Task:
    """`watch` sees the state before every step, and may raise or send signals."""

    def run(state: Toy, on_step):
        while state.epoch < epochs:
            while state.step < STEPS:
                watch(state)
                state.value = torch.sin(state.value * (1 + state.epoch) + state.step)
                state.step += 1
                on_step(state)
            state.epoch, state.step = state.epoch + 1, 0
            row = {"epoch": state.epoch, "valid_accuracy": float(state.value[0]) * 50 + 50, "seconds": 0.0}
            yield Finished(row, {"normal": state.value.numpy().reshape(1, 2).copy()}, GENOTYPE)

    return Task(lambda: Toy(torch.tensor([0.1, 0.2])), run, epochs, lambda state: STEPS)


class Counter:
    """Counts steps; at those in `at` it does `what`."""

    def __init__(self, what: Callable[[], None] = lambda: None, at: tuple[int, ...] = ()):
        self.what, self.at, self.count = what, at, 0

    def __call__(self, state: Toy) -> None:
        self.count += 1
        if self.count in self.at:
            self.what()


@pytest.fixture
def make(data, tmp_path):
    """`make()` is the same run each time."""

    def run(*, config: SearchConfig = CONFIG, **facts) -> Run:
        return Run("search", method="toy", config=config, data=data, runs_dir=tmp_path, facts=facts)

    return run


def same(a, b) -> bool:
    """Two results of one run, seconds aside, to the last bit."""
    tables = [result.history.drop(columns="seconds") for result in (a, b)]
    return (
        tables[0].equals(tables[1])
        and a.genotypes == b.genotypes
        and all(np.array_equal(a.weights[group], b.weights[group]) for group in a.weights | b.weights)
        and torch.equal(a.state().value, b.state().value)
    )


# --- names ----------------------------------------------------------------------------------------------------


def test_name_is_readable_and_tells_apart_all_that_determines_a_run(make, data):
    assert make().name.startswith("search-toy-tiny-seed5-")
    names = {make().name, make(config=replace(CONFIG, lr=0.1)).name, make(order=2).name, make(order=1).name}
    other = replace(data, checksum="other")
    names.add(Run("search", method="toy", config=CONFIG, data=other, runs_dir=".", facts={}).name)
    assert len(names) == 5
    assert make(a=1, b=2).name == make(b=2, a=1).name


def test_statistics_and_classes_decide_where_they_are_not_those_of_the_images(data):
    own = replace(data, **dict(zip(("mean", "std"), channel_statistics(data.train.images), strict=True)))
    assert own.peculiar == {}
    assert set(replace(own, mean=(0.0, 0.0, 0.0)).peculiar) == {"mean"}
    assert replace(own, classes=tuple("abcdefgh")).peculiar == {"n_classes": 8}
    assert not own.resized(9).peculiar and not own.to("cpu").peculiar


def test_description_looks_into_closures_partials_and_dataclasses():
    def step(order: int):
        return lambda: order

    assert describe(step(1)) != describe(step(2))
    assert describe(functools.partial(step, 1)) != describe(functools.partial(step, order=1))
    assert describe(torch.ones(2)) != describe(torch.zeros(2))
    assert describe(CONFIG)["seed"] == 5
    assert describe(Toy(torch.ones(1)).state_dict) != describe(Toy(torch.zeros(1)).state_dict)
    with pytest.raises(TypeError, match="cannot tell what determines"):
        describe(object())


def test_every_method_has_a_description_of_its_own():
    assert len({digest(describe(replace(method, name=""))) for method in METHODS.values()}) == len(METHODS)


def of_notebook(source: str):
    """The function `f` of a notebook with this source."""
    module = types.ModuleType("__main__")
    exec(source, module.__dict__)
    return module.f


def test_code_of_notebook_functions_counts_and_so_does_what_they_use():
    sources = (
        "def f(x): return x + 1",
        "def f(x): return x + 2",
        "def f(x): return g(x)\ndef g(x): return 1",
        "def f(x): return g(x)\ndef g(x): return 2",
        "k = 1\ndef f(x): return k",
        "k = 2\ndef f(x): return k",
        "def f(x): return f(x - 1)",
    )
    assert len({digest(describe(of_notebook(source))) for source in sources}) == len(sources)
    moved = "\n\n" + sources[0]
    assert describe(of_notebook(sources[0])) == describe(of_notebook(moved))


def test_a_notebook_function_has_the_same_name_in_every_process():
    function = "def f(x): return x in {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'}"  # a set: its order is the process's
    source = f"from nasnb.runs.identity import describe, digest\n{function}\nprint(digest(describe(f)))"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(describe(of_notebook(function)))


@given(
    st.recursive(
        st.none() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_plain_values_describe_themselves_and_any_word_makes_a_folder_name(value):
    assert describe(value) == value
    name = folder_name({"kind": "x", "method": json.dumps(value), "facts": value})
    assert "/" not in name and name[0] != "." and name == name.strip()


# --- finishing and resuming -----------------------------------------------------------------------------------


def test_a_finished_run_is_loaded_and_nothing_is_computed(make):
    first = make().finish(toy())
    again = make().finish(toy(watch=Counter(lambda: pytest.fail("computed again"), at=(1,))))
    assert same(first, again)
    assert again.history["valid_accuracy"].tolist() == first.history["valid_accuracy"].tolist()
    assert again.weights["normal"].shape == (3, 1, 2)
    assert again.genotype == GENOTYPE and again.history["genotype"][2] == GENOTYPE.notation()
    assert again.state().epoch == 3


@pytest.mark.parametrize("at", range(1, 3 * STEPS + 1))
def test_an_interrupted_run_ends_in_the_same_numbers(make, data, tmp_path, tmp_path_factory, at):
    elsewhere = tmp_path_factory.mktemp("whole")
    whole = Run("search", method="toy", config=CONFIG, data=data, runs_dir=elsewhere, facts={}).finish(toy())
    with pytest.raises(KeyboardInterrupt):
        make().finish(toy(watch=Counter(lambda: signal.raise_signal(signal.SIGINT), at=(at,))))
    (line,) = find_runs(tmp_path).query("method == 'toy' and state == 'interrupted'").itertuples()
    assert line.epoch == (at - 1) // STEPS
    counter = Counter()
    result = make().finish(toy(watch=counter))
    assert same(result, whole)
    assert counter.count == 3 * STEPS - at  # the step in which the signal came was finished and saved
    assert result.record["resumed"] == 1


@pytest.fixture
def interruptible():
    """A shell that starts us in the background makes us deaf to SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_at_the_very_end_acts_after_the_run_is_whole(make, interruptible):
    task = toy()

    def epochs(state, on_step):
        for epoch in task.epochs(state, on_step):
            if epoch.row["epoch"] == 3:
                signal.raise_signal(signal.SIGINT)
            yield epoch

    with pytest.raises(KeyboardInterrupt):
        make().finish(replace(task, epochs=epochs))
    assert make().is_finished()


def test_handlers_are_put_back_and_sigterm_reaches_them(make):
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with pytest.raises(KeyboardInterrupt):
            make().finish(toy(watch=Counter(lambda: signal.raise_signal(signal.SIGTERM), at=(2,))))
        assert seen == [signal.SIGTERM]
        assert make().read_record()["state"] == "interrupted"
        make().finish(toy())
        signal.raise_signal(signal.SIGTERM)
        assert len(seen) == 2
    finally:
        signal.signal(signal.SIGTERM, before)


def test_seconds_add_up_over_resumes(make, monkeypatch):
    clock = Counter()
    monkeypatch.setattr("time.monotonic", lambda: clock.count * 1.0)

    def tick(state):
        clock.count += 1
        if clock.count == 6:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        make().finish(toy(watch=tick))
    clock.count += 1000  # the time between does not count
    result = make().finish(toy(watch=tick))
    assert result.record["seconds"] == 3 * STEPS
    assert result.history["seconds"].tolist() == [STEPS] * 3
    assert result.record["device_hours"] == pytest.approx(12 / 3600, abs=1e-6)


def test_a_failure_is_recorded_with_its_text_and_the_run_goes_on_from_before(make, tmp_path):
    def fail():
        raise FloatingPointError("the training loss is not a number any more")

    with pytest.raises(FloatingPointError):
        make().finish(toy(watch=Counter(fail, at=(7,))))
    (line,) = find_runs(tmp_path).itertuples()
    assert line.state == "failed" and "not a number" in line.error and line.epoch == 1
    counter = Counter()
    assert make().finish(toy(watch=counter)).record["error"] is None
    assert counter.count == 2 * STEPS


def test_every_entry_of_the_record_is_documented_and_none_tells_of_this_machine(make):
    record = make().finish(toy()).record
    assert list(record) == list(SCHEMA)
    assert record["dataset"] == "tiny" and record["config"]["seed"] == 5 and record["epochs"] == 3
    assert record["started"] <= record["ended"] and record["deterministic"] is True
    text = json.dumps(record)
    assert os.getcwd() not in text and os.uname().nodename not in text.split('"') and "/home" not in text


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(make):
    whole = make().finish(toy())
    folder = make().folder
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps({**record, "state": "running"}))
    newest = checkpoint.newest_first(folder)[0]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match="has a wrong checksum: it is passed over"):
        result = make().finish(toy())
    assert same(result, whole) and not newest.exists()
    assert newest.with_name(f"{newest.name}.damaged").read_bytes() == content


def test_a_checkpoint_of_other_code_says_so(make):
    with pytest.raises(KeyboardInterrupt):
        make().finish(toy(watch=Counter(lambda: signal.raise_signal(signal.SIGINT), at=(2,))))

    class Other(Toy):
        def load_state_dict(self, saved):
            raise RuntimeError("size mismatch for stem")

    task = replace(toy(), begin=lambda: Other(torch.zeros(2)))
    with pytest.raises(RuntimeError, match=r"does not fit this code \(size mismatch for stem\).*another runs_dir"):
        make().finish(task)


def test_two_checkpoints_are_kept_on_time_within_an_epoch(make):
    seen = set()

    def look(state):
        seen.update(path.name[:23] for path in checkpoint.newest_first(make().folder))

    make().finish(toy(watch=look), save_every=0.0)
    assert {f"checkpoint-{epoch:05d}-{step:06d}" for epoch in range(3) for step in (1, 2, 3)} <= seen
    assert len(checkpoint.newest_first(make().folder)) == 2


def test_stages_of_different_shapes_share_one_array():
    history = History.empty()
    history.add(Finished({"epoch": 1}, {"normal": np.ones((2, 3))}), seconds=1.0)
    history.add(Finished({"epoch": 2}, {"normal": np.ones((2, 2)), "normal/edges": np.ones(2)}), seconds=1.0)
    stacked = History.from_state_dict(history.state_dict()).stacked()
    assert stacked["normal"].shape == (2, 2, 3) and np.isnan(stacked["normal"]).sum() == 2
    assert np.isnan(stacked["normal/edges"][0]).all() and (stacked["normal/edges"][1] == 1).all()


# --- files ----------------------------------------------------------------------------------------------------


def test_two_processes_on_one_run_get_a_clear_error(make):
    def second():
        with pytest.raises(RuntimeError, match=f"being computed by process {os.getpid()} on "):
            make().finish(toy())
        assert locks.is_locked(make().folder)

    make().finish(toy(watch=Counter(second, at=(3,))))
    assert not locks.is_locked(make().folder)


@pytest.mark.parametrize("name", ["checkpoint", "history", "record", "weights"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_full_disk_is_a_clear_error_and_costs_nothing(make, monkeypatch, name, nth):
    sync, count = os.fsync, Counter()

    def full(handle):
        if name in os.readlink(f"/proc/self/fd/{handle}"):
            count.count += 1
            if count.count >= nth:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*No space left on device.*free some space and run again"):
        make().finish(toy())
    assert not list(make().folder.glob(f"{files.TEMPORARY}*"))
    monkeypatch.setattr(os, "fsync", sync)
    assert make().finish(toy()).record["state"] == "finished"


def test_a_folder_that_cannot_be_written_says_so_and_a_finished_run_is_read_from_it(make, data, monkeypatch, tmp_path):
    open_ = os.open

    def refuse(path, flags, *mode, **more):
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_(path, flags, *mode, **more)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match=r"cannot write .*Permission denied.*choose a runs_dir that can be written"):
        make().finish(toy())
    monkeypatch.setattr(os, "open", open_)
    make().finish(toy())
    monkeypatch.setattr(os, "open", refuse)
    assert make().finish(toy()).record["state"] == "finished"
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="choose a runs_dir"):
        Run("search", method="toy", config=CONFIG, data=data, runs_dir=tmp_path / "file", facts={}).finish(toy())


def test_what_a_killed_process_left_is_swept_away(make):
    make().folder.mkdir(parents=True)
    (make().folder / f"{files.TEMPORARY}1-record.json").write_text("{")
    make().finish(toy())
    assert not list(make().folder.glob(f"{files.TEMPORARY}*"))


def test_relative_folders_count_from_the_repository(tmp_path, monkeypatch):
    (tmp_path / "notebooks" / "deep").mkdir(parents=True)
    for here in (tmp_path, tmp_path / "notebooks", tmp_path / "notebooks" / "deep"):
        monkeypatch.chdir(here)
        assert files.runs_folder("runs") == tmp_path / "runs"
    assert files.runs_folder("/elsewhere") == files.Path("/elsewhere")


# --- tables ---------------------------------------------------------------------------------------------------


def test_broken_and_foreign_folders_are_named_and_skipped(make, tmp_path):
    make().finish(toy())
    (tmp_path / "foreign").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "record.json").write_text("{")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "record.json").write_text('{"schema": 99}')
    with pytest.warns(UserWarning) as warned:
        table = find_runs(tmp_path)
    texts = [str(warning.message) for warning in warned]
    assert [text.split(" ")[0] for text in texts] == ["broken", "foreign", "other"]
    assert "not JSON" in texts[0] and "no record.json" in texts[1] and "layout" in texts[2]
    (line,) = table.itertuples()
    assert (line.state, line.epoch, line.epochs, line.method) == ("finished", 3, 3, "toy")
    assert find_runs(tmp_path / "nowhere").empty


def test_a_running_run_shows_its_progress(make, tmp_path):
    seen = []
    make().finish(toy(watch=Counter(lambda: seen.append(find_runs(tmp_path)), at=(10,))))
    (line,) = seen[0].itertuples()
    assert (line.state, line.epoch) == ("running", 2) and line.seconds_left >= 0 and line.accuracy > 0


def test_comparison_names_what_differs(make, tmp_path):
    one = make(order=1).finish(toy())
    two = make(order=2, config=replace(CONFIG, lr=0.1)).finish(toy())
    table = compare(one.name, two.name, runs_dir=tmp_path).set_index("entry")
    assert table.loc["facts.order"].tolist() == [1, 2]
    assert table.loc["config.lr"].tolist() == [0.025, 0.1]
    assert "genotype" not in table.index and "config.epochs" not in table.index
    assert compare(one.name, one.name[-10:], runs_dir=tmp_path).empty
    with pytest.raises(ValueError, match="may be any of"):
        compare("search-toy", two.name, runs_dir=tmp_path)
    with pytest.raises(ValueError, match="no run 'nothing'"):
        compare("nothing", two.name, runs_dir=tmp_path)


# --- analyses, estimates --------------------------------------------------------------------------------------


def test_an_analysis_is_computed_once_and_comes_back_the_same(tmp_path):
    table = pd.DataFrame({"x": [0.1, np.nan], "op": ["a", "b"]})
    values = {
        "array": np.arange(6.0).reshape(2, 3),
        "tensor": torch.ones(2),
        "number": np.float64(0.1),
        "text": "a",
        "none": None,
        "nested": {"list": [1, 2.5]},
        "table": table,
    }
    calls = []

    def compute():
        calls.append(1)
        return values

    first, again = (run_once("skip", {"run": "r", "n": 2}, compute, runs_dir=tmp_path) for _ in range(2))
    assert len(calls) == 1
    for kept in (first, again):
        assert np.array_equal(kept["array"], values["array"]) and np.array_equal(kept["tensor"], np.ones(2))
        assert kept["table"].equals(values["table"])
        assert {name: kept[name] for name in ("number", "text", "none", "nested")} == {
            "number": 0.1,
            "text": "a",
            "none": None,
            "nested": {"list": [1, 2.5]},
        }
    run_once("skip", {"run": "r", "n": 3}, compute, runs_dir=tmp_path)
    assert len(calls) == 2 and len(find_runs(tmp_path)) == 2


def test_an_analysis_that_fails_is_recorded_and_computed_again(tmp_path):
    with pytest.raises(ZeroDivisionError):
        run_once("skip", {}, lambda: 1 / 0, runs_dir=tmp_path)
    assert find_runs(tmp_path)["error"].tolist() == ["ZeroDivisionError: division by zero"]
    with pytest.raises(TypeError, match=r"reset_index\(\) on 'table'"):
        run_once("skip", {}, lambda: {"table": pd.DataFrame({"x": [1]}, index=["a"])}, runs_dir=tmp_path)
    with pytest.raises(TypeError, match="keeps arrays, data frames and plain values"):
        run_once("skip", {}, lambda: {"state": object()}, runs_dir=tmp_path)


def test_a_foreseen_run_is_timed_and_leaves_nothing_behind(make, data, tmp_path):
    counter, noted = Counter(), estimate.Foresight()
    for _ in range(2):  # the second time nothing has to be timed
        noted.add(make(), toy(watch=counter), data, is_finished=False)
    (one,) = noted.runs.values()
    assert (one.steps, one.epochs, one.kind) == (12, 3, "search") and one.seconds_per_step > 0
    assert counter.count == 4 and not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count what the parent held")
def test_peak_memory_is_that_of_the_process_and_not_of_the_one_that_started_it():
    held = np.ones(2**27)  # 1 GB
    code = "import torch\nfrom nasnb.runs.record import peak_memory\nprint(peak_memory(torch.device('cpu')))"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 2**25 < child < held.nbytes < peak_memory(torch.device("cpu"))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (18420, "5 h 7 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
