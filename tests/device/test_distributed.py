"""Two processes that share every batch end in the numbers of one; in float64, so that only rounding differs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nasnb.device import distributed

# Every case has two epochs whose last batches are smaller. Trainings have drop path, cutout and an auxiliary head.
SCRIPT = """
import sys
from dataclasses import replace
import torch
from conftest import tiny_data
from nasnb import distributed
from nasnb.config import SearchConfig, TrainConfig
from nasnb.published.genotypes import GENOTYPES
from nasnb.methods import METHODS
from nasnb.search import begin, search
from nasnb.search.steps import bilevel
from nasnb.training import prepare, train

torch.set_num_threads(1)
exact = replace(METHODS["darts-2nd"], name="exact", step=bilevel(order=2, exact=True))

def searched(method, n=40, validate_with="running"):
    config = SearchConfig(epochs=2, batch_size=12, channels=4, cells=3, alpha_lr=0.01, pace=0.02,
                          train_fraction=method.config.train_fraction, validate_with=validate_with)
    return begin(method, tiny_data(n), config), lambda state: search(method, state.data, config, state=state)

def trained(method, genotype):
    space = method.final or method.space
    config = TrainConfig(epochs=2, batch_size=12, channels=4, cells=3, cutout=4, drop_path=0.4, label_smoothing=0.1)
    return prepare(space, GENOTYPES[genotype], tiny_data(40, size=32), config), train

CASES = {
    **{name: (searched, METHODS[name]) for name in sys.argv[2].split()},
    "exact": (searched, exact),
    "msr by batches": (searched, METHODS["msr-darts"], 80, "batch"),
    "training": (trained, METHODS["darts-2nd"], "DARTS_V2"),
}
results = {}
with distributed.together():
    for case, (begun, *arguments) in CASES.items():
        state, epochs = begun(*arguments)
        state.net.double()
        if hasattr(state, "relaxation"):
            state.relaxation.double()
        state.net.stem.register_forward_pre_hook(lambda stem, args: (args[0].double(),))
        rows = [epoch.row() for epoch in epochs(state)]
        alpha = state.relaxation.state_dict() if hasattr(state, "relaxation") else {}
        results[case] = {"net": state.net.state_dict(), "alpha": alpha, "rows": rows}
if distributed.rank() == 0:
    torch.save(results, sys.argv[1])
"""
METHODS = (
    "darts-1st",
    "darts-2nd",
    "stacnas-one-stage",
    "pc-darts",
    "sdarts-rs",
    "sharpdarts-max-w",
    "msr-darts",
    "msr-darts-published-code",
)


def run(folder: Path, processes: int) -> dict:
    (folder / "script.py").write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] * (processes > 1)
    path = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path)}
    out = folder / f"{processes}.pt"
    command = [sys.executable, *launcher, "script.py", out, " ".join(METHODS)]
    subprocess.run(command, check=True, cwd=folder, env=env, timeout=900)
    return torch.load(out)


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory) -> tuple[dict, dict]:
    folder = tmp_path_factory.mktemp("distributed")
    return run(folder, 1), run(folder, 2)


@pytest.mark.slow
@pytest.mark.parametrize("case", [*METHODS, "exact", "msr by batches", "training"])
def test_two_processes_end_in_the_numbers_of_one(one_and_two, case):
    one, two = (results[case] for results in one_and_two)
    for part in ("net", "alpha"):
        for name, value in one[part].items():
            torch.testing.assert_close(two[part][name], value, rtol=1e-9, atol=1e-11, msg=f"{part} {name}")
    assert len(one["rows"]) == len(two["rows"]) == 2
    for before, after in zip(one["rows"], two["rows"], strict=True):
        for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy"):
            assert after[name] == pytest.approx(before[name], rel=1e-6, nan_ok=True), name


def test_alone_everything_is_as_without():
    batch = torch.arange(4), torch.arange(4)
    with distributed.together():
        assert distributed.share(batch) is batch and distributed.first_says(3) == 3 and distributed.any_says(True)
        assert list(distributed.dealt([1, 2])) == [1, 2] and not distributed.is_shared()


def test_unequal_shares_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(distributed, "_sharing", True)
    distributed.check_shares(96, 16)
    with pytest.raises(ValueError, match="batches of 16 images and a last one of 3 cannot be shared equally by 2"):
        distributed.check_shares(19, 16)
