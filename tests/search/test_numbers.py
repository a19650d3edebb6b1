"""What is no number never becomes a choice; what has no meaning is refused before any work."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny_data

from nasnb.analysis.darts_pt.proposition import grid_minimum
from nasnb.analysis.hessian import dominant_eigenvalue
from nasnb.analysis.logs import Record, eigenvalues, stopping_record
from nasnb.analysis.msr_darts.rank_history import lowest_ranked
from nasnb.analysis.stacnas.confusion import matching_depth
from nasnb.analysis.stacnas.correlation import rand_index
from nasnb.analysis.stacnas.multicollinearity import flipped
from nasnb.architecture import Edge
from nasnb.config import SearchConfig, TrainConfig, changed
from nasnb.evaluation import Score
from nasnb.experiment import picked
from nasnb.limits import LIMITS
from nasnb.methods import METHODS
from nasnb.schedules import cosine_power
from nasnb.search import begin, search
from nasnb.search.decisions import greedy
from nasnb.search.perturbation import strongest_edges, weakest
from nasnb.search.selection import exported_epoch
from nasnb.search.strengths import operation_strengths
from nasnb.spaces import SPACES
from nasnb.spaces.stacnas import winners
from nasnb.training import reported

NAN = float("nan")
TINY = SearchConfig(epochs=1, batch_size=16, channels=4, cells=3, pace=0.0, train_images=32)

# --- config -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": -1}, r"epochs must lie in \[0, inf\), got -1"),
        ({"batch_size": 0}, r"batch_size must lie in \[2, inf\), got 0"),
        ({"batch_size": 1}, r"batch_size must lie in \[2, inf\), got 1"),
        ({"channels": -4}, r"channels must lie in \[1, inf\), got -4"),
        ({"cells": 2.0}, "cells must be int, got 2.0"),
        ({"epochs": True}, "epochs must be int, got True"),
        ({"lr": NAN}, r"lr must lie in \[0, inf\), got nan"),
        ({"lr": float("inf")}, r"lr must lie in \[0, inf\), got inf"),
        ({"lr": "0.1"}, "lr must be float, got '0.1'"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"power": 0.5}, r"power must lie in \[1, inf\), got 0.5"),
        ({"power": float("inf")}, r"power must lie in \[1, inf\), got inf"),
        ({"clip": 0.0}, r"clip must lie in \(0, inf\), got 0.0"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin', did you mean 'cosine'"),
        ({"precision": "fp16"}, "unknown precision 'fp16'.*known: float32, tf32, bf16"),
        ({"policy": "augment"}, "unknown policy 'augment', did you mean 'autoaugment'"),
        ({"flip": 1}, "flip must be bool, got 1"),
    ],
)
@pytest.mark.parametrize("config", [SearchConfig(), TrainConfig()], ids=["search", "train"])
def test_values_without_a_meaning(config, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(config, **changes)
    with pytest.raises(ValueError, match=message):
        changed(config, **changes)


@pytest.mark.parametrize(
    ("config", "changes", "message"),
    [
        (TrainConfig(), {"drop_path": 2}, r"drop_path must lie in \[0, 1\), got 2"),
        (TrainConfig(), {"label_smoothing": 1}, r"label_smoothing must lie in \[0, 1\), got 1"),
        (TrainConfig(), {"decay": 1.1}, r"decay must lie in \(0, 1\], got 1.1"),
        (SearchConfig(), {"train_fraction": 0}, r"train_fraction must lie in \(0, 1\], got 0"),
        (SearchConfig(), {"alpha_betas": (0.9, 1.0)}, r"alpha_betas must lie in \[0, 1\), got 1.0"),
        (SearchConfig(), {"alpha_betas": 0.9}, "alpha_betas must be two numbers, got 0.9"),
        (SearchConfig(), {"stem": "imagnet"}, "unknown stem 'imagnet', did you mean 'imagenet'"),
        (SearchConfig(), {"validate_with": "both"}, "unknown validate_with 'both'.*running, batch"),
    ],
)
def test_values_of_one_config(config, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(config, **changes)


@pytest.mark.parametrize("config", [SearchConfig(), TrainConfig()], ids=["search", "train"])
def test_every_number_of_a_config_has_limits(config):
    numbers = {field.name for field in fields(config) if any(kind in field.type for kind in ("int", "float"))}
    assert numbers - {"seed"} <= set(LIMITS)


def test_whoever_asks_for_epochs_wants_some():
    with pytest.raises(ValueError, match=r"epochs must lie in \[1, inf\), got 0: nothing would be learnt"):
        METHODS["darts-1st"].at("smoke", epochs=0)


def test_an_infinite_power_has_no_schedule():
    with pytest.raises(ValueError, match=r"power=inf: cosine power annealing needs .* below infinity"):
        cosine_power(1, 10, 0.1, power=float("inf"))


# --- choices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["darts", "bench201", "hypercuboid", "msr"])
@pytest.mark.parametrize("wrong", [NAN, float("inf")])
def test_scores_that_are_no_numbers_choose_nothing(name, wrong):
    space = SPACES[name]
    scores = {group: torch.zeros(space.choices.shape(group)) for group in space.choices.groups}
    group = next(iter(scores))
    edge = space.choices.groups[group][0]
    scores[group][0, 1] = wrong
    with pytest.raises(ValueError, match=rf"the score of '{edge.ops[1]}' on edge 0->\d of '{group}' is {wrong}"):
        space.discretise(scores)
    scores[group][0, 1] = -float("inf")  # never chosen
    space.discretise(scores)


def test_the_winners_of_stacnas_are_numbers():
    space = SPACES["stacnas"]
    scores = {group: torch.zeros(space.choices.shape(group)) for group in space.choices.groups}
    scores["reduce"][3, 2] = NAN
    with pytest.raises(ValueError, match="on edge 1->3 of 'reduce' is nan"):
        winners(space.choices, scores)


def spoiled(name: str):
    state = begin(METHODS[name], tiny_data(), TINY)
    with torch.no_grad():
        next(iter(state.relaxation.alpha.values()))[2, 3] = NAN
    return state


def test_an_alpha_that_is_no_number_stays_one_and_chooses_nothing():
    state = spoiled("darts-1st")
    assert torch.isnan(state.weights()["normal"][2]).any()
    with pytest.raises(ValueError, match="the score of 'none' on edge 0->3 of 'normal' is nan"):
        state.method.genotype(state)
    with pytest.raises(FloatingPointError, match="the training loss is not a number any more"):
        list(search(state.method, state.data, state.config, state=state))


def test_a_decision_of_sgas_needs_numbers():
    state = spoiled("sgas")
    with pytest.raises(ValueError, match="the score of edge 0 of 'normal' is nan"):
        greedy(first=0, interval=0)(state)


def test_masked_supernets_that_went_wrong_decide_nothing():
    state = begin(METHODS["darts-pt"], tiny_data(), TINY)
    with torch.no_grad():
        state.net.head.linear.bias[0] = NAN
    with pytest.raises(ValueError, match="loss of the supernet without an operation or an edge of 'normal' is nan"):
        operation_strengths(state, "normal", 0)


@pytest.mark.parametrize("criterion", ["accuracy", "loss"])
def test_perturbation_chooses_by_numbers(criterion):
    scores = {0: Score(1.0, 50.0), 1: Score(NAN, NAN)}
    for choose in (lambda: weakest(scores, criterion), lambda: strongest_edges(scores, 1, criterion)):
        with pytest.raises(ValueError, match="the loss of a masked supernet is nan"):
            choose()


def test_the_exported_and_the_reported_epoch_are_of_numbers():
    rows = [
        {"epoch": 1, "valid_loss": 1.0, "valid_accuracy": 10.0},
        {"epoch": 2, "valid_loss": NAN, "valid_accuracy": NAN},
    ]
    for choose in (
        lambda: exported_epoch(rows, "min_val_loss"),
        lambda: exported_epoch(rows, "best_valid"),
        lambda: reported(rows),
    ):
        with pytest.raises(ValueError, match="of epoch 2 is nan: nothing can be chosen"):
            choose()
    assert exported_epoch(rows, "last") == 2


def test_confusions_that_are_no_numbers_match_no_depth():
    with pytest.raises(ValueError, match="the confusion of 8 cells is nan"):
        matching_depth({5: 1.0, 8: NAN}, 1.0)
    with pytest.raises(ValueError, match="the confusion of the final network is nan"):
        matching_depth({5: 1.0, 8: 2.0}, NAN)


def test_ranks_and_weights_and_variances_that_are_no_numbers():
    history = pd.DataFrame({"epoch": 0, "group": "normal", "edge": 0, "op": ["a", "b"], "rank": [1.0, NAN]})
    with pytest.raises(ValueError, match="a stable rank of the history is nan"):
        lowest_ranked(history)
    with pytest.raises(ValueError, match="the weight of 'b' on edge 0 is nan"):
        flipped(np.array([[0.5, NAN]]), [Edge(0, 2, ("a", "b"))])
    with pytest.raises(ValueError, match="a variance on the grid is nan"):
        grid_minimum(np.array([1.0, NAN]), np.ones(2), np.ones(2))


def test_curvatures_that_are_no_numbers():
    state = spoiled("darts-1st")
    with pytest.raises(FloatingPointError, match="the curvature in alpha is no number"):
        dominant_eigenvalue(state, [next(state.batches(state.valid, "x", 0))])
    record = Record(7, np.array([[1.0, NAN], [NAN, 1.0]]), np.zeros(2))
    with pytest.raises(ValueError, match="the Hessian of epoch 7 holds what is no number"):
        eigenvalues([record])
    with pytest.raises(ValueError, match="value 2 of the record is no number"):
        stopping_record([1.0, 1.0, NAN, 2.0])


def test_one_operation_can_be_grouped_in_one_way_only():
    assert rand_index([("a",)], [("a",)]) == 1.0


def test_a_kernel_that_is_no_number_has_no_rank():
    state = begin(METHODS["msr-darts"], tiny_data(), TINY)
    with torch.no_grad():
        next(p for name, p in state.net.named_parameters() if "units.1.pointwise" in name)[0] = NAN
    with pytest.raises(ValueError, match="a kernel holds NaN or infinities: it has no stable rank"):
        state.method.genotype(state)


def test_which_of_several_searches_goes_on_is_told_by_numbers():
    found = [
        SimpleNamespace(name=f"run {i}", history=pd.DataFrame({"valid_accuracy": [50.0, value]}))
        for i, value in enumerate((60.0, NAN))
    ]
    with pytest.raises(ValueError, match="the accuracy of run 1 is nan"):
        picked(found, "supernet")
