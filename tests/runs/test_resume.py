"""Searches that are stopped at any moment, even in the middle of a write, end in the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import run

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_data

from nasnb.config import SearchConfig, TrainConfig
from nasnb.experiment import run_search, run_training
from nasnb.methods import METHODS, Method
from nasnb.runs import Result, Run, checkpoint, session
from nasnb.spaces import SPACES
from nasnb.spaces.cells import with_nodes

CONFIG = SearchConfig(epochs=2, batch_size=16, channels=8, cells=3, pace=0.1)
SMALL = {space: with_nodes(SPACES[space], 1) for space in ("darts", "darts-no-none")}


def small(name: str, space: str = "darts-no-none") -> Method:
    """A method in a space of two edges per cell, where the method's own space is not needed."""
    method = METHODS[name]
    return method if method.then else replace(method, space=SMALL[space])


def tensors(value, path="") -> dict[str, torch.Tensor]:
    """Every tensor of a checkpoint by its place."""
    if isinstance(value, torch.Tensor):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return {name: tensor for key, item in items for name, tensor in tensors(item, f"{path}/{key}").items()}


def differing(a: Result, b: Result) -> int:
    """Bits in which two results of one run differ: history (seconds aside), weights, and the whole final state."""
    states = [
        tensors(checkpoint.load_checkpoint(r.folder, name=r.name, device=torch.device("cpu"))["state"]) for r in (a, b)
    ]
    assert states[0].keys() == states[1].keys() and a.genotypes == b.genotypes
    assert a.history.columns.equals(b.history.columns) and a.weights.keys() == b.weights.keys()
    pairs = [(left.numpy(), states[1][name].numpy()) for name, left in states[0].items()]
    pairs += [(a.weights[group], b.weights[group]) for group in a.weights]
    numbers = [r.history.drop(columns="seconds").select_dtypes("number") for r in (a, b)]
    pairs += [(numbers[0][column].to_numpy(), numbers[1][column].to_numpy()) for column in numbers[0]]
    bits = [np.bitwise_xor(*(np.frombuffer(x.tobytes(), np.uint8) for x in pair)) for pair in pairs]
    return int(sum(np.unpackbits(part).sum() for part in bits))


def interrupted(monkeypatch, at: set[int], work) -> Result:
    """Do `work` again and again, with a SIGINT at each of these steps, counted over all attempts."""
    count, after_step = [0], session.Session._after_step

    def step(self, state):
        count[0] += 1
        if count[0] in at:
            signal.raise_signal(signal.SIGINT)
        after_step(self, state)

    monkeypatch.setattr(session.Session, "_after_step", step)
    for _ in at:
        with pytest.raises(KeyboardInterrupt):
            work()
    return work()


@pytest.mark.parametrize("name", ["darts-1st", "sgas", "stacnas", "darts-pt"])
def test_an_interrupted_search_ends_in_the_same_bits(name, data, tmp_path, monkeypatch):
    method = small(name)
    whole = run_search(method, data, CONFIG, runs_dir=tmp_path / "whole")
    n_steps = 3 * len(whole.history)
    at = set(random.Random(name).sample(range(1, n_steps + 1), 3))
    result = interrupted(monkeypatch, at, lambda: run_search(method, data, CONFIG, runs_dir=tmp_path / "stopped"))
    assert result.record["resumed"] == 3 and result.record["epoch"] == result.record["epochs"] == len(whole.history)
    assert differing(whole, result) == 0


@pytest.mark.gpu
def test_a_search_on_a_graphics_card_goes_on_there(data, tmp_path, monkeypatch):
    cards = data.to("cuda")
    result = interrupted(monkeypatch, {2, 4}, lambda: run_search(small("sgas"), cards, CONFIG, runs_dir=tmp_path))
    state = result.state()
    assert {tensor.device.type for tensor in tensors(state.state_dict()["net"]).values()} == {"cuda"}
    assert all(torch.isfinite(parameter).all() for parameter in state.net.parameters())
    assert result.record["device_kind"] == "cuda" and result.record["peak_memory_bytes"] > 0
    assert result.record["deterministic"] is False and result.record["resumed"] == 2


def test_an_interrupted_training_ends_in_the_same_bits(data, tmp_path, monkeypatch):
    space = METHODS["darts-1st"].space
    genotype = space.discretise({g: torch.rand(space.choices.shape(g)) for g in space.choices.groups})
    config = TrainConfig(epochs=2, batch_size=16, channels=4, cells=3, auxiliary_weight=0.0)

    def work(folder: str) -> Result:
        return run_training(space, genotype, data, config, runs_dir=tmp_path / folder)

    assert differing(work("whole"), interrupted(monkeypatch, {2, 7}, lambda: work("stopped"))) == 0


def test_a_selection_goes_on_from_another_methods_search(data, tmp_path):
    search = run_search(small("darts-1st"), data, CONFIG, runs_dir=tmp_path)
    selection = run_search(small("darts-pt"), data, CONFIG, runs_dir=tmp_path, after=search)
    both = run_search(small("darts-pt"), data, CONFIG, runs_dir=tmp_path)
    assert selection.record["epoch"] == selection.record["epochs"] == len(both.history) - len(search.history)
    with pytest.raises(ValueError, match=r"'normal' of .* has 2 edges with 7 candidates, that of darts-pt 2 with 8"):
        run_search(small("darts-pt", "darts"), data, CONFIG, runs_dir=tmp_path, after=search)
    assert selection.genotypes == both.genotypes[len(search.history) :]


# --- killed without warning -----------------------------------------------------------------------------------


def killed(folder: Path, *options: str) -> list[dict]:
    """What the program kill_at_random.py counted, a line per method."""
    program = [sys.executable, str(Path(__file__).with_name("kill_at_random.py")), str(folder), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = run(program, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def test_killed_at_random_moments(tmp_path):
    (figures,) = killed(tmp_path, "--methods", "darts-1st", "--kills", "4")
    assert figures["kills"] == 4 and figures["ends"] > 0 and figures["bits"] == figures["leftovers"] == 0, figures


@pytest.mark.slow
def test_killed_at_very_many_random_moments(tmp_path):
    figures = pd.DataFrame(killed(tmp_path, "--kills", "100"))
    print(figures.to_string())
    assert figures["kills"].sum() == 100 and set(figures["method"]) == set(METHODS)
    assert figures["resumes"].sum() > 0 and figures["bits"].sum() == figures["leftovers"].sum() == 0


def test_a_loss_that_is_no_number_leaves_the_state_of_before(tmp_path):
    """However often is saved: what came before the broken second epoch is kept, what came out of it is not."""
    method, data = small("darts-1st"), tiny_data(n=32)

    def broken(state, train, next_valid):
        loss, logits = method.step(state, train, next_valid)
        return loss * float("nan") if state.epoch == 1 else loss, logits

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Run.finish.__kwdefaults__, "save_every", 0.0)
        with pytest.raises(FloatingPointError, match=r"epoch 2, at or before step \d, .*; try a smaller lr"):
            run_search(replace(method, step=broken), data, CONFIG, runs_dir=tmp_path)
    (folder,) = (path.parent for path in tmp_path.glob("*/record.json"))
    saved = checkpoint.load_checkpoint(folder, name=folder.name, device=torch.device("cpu"))
    assert (saved["state"]["epoch"], saved["state"]["step"]) < (1, 1)
    assert all(torch.isfinite(value).all() for value in tensors(saved["state"]).values() if value.is_floating_point())
    record = json.loads((folder / "record.json").read_text())
    assert record["state"] == "failed" and "not a number" in record["error"]
