import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import tiny_data

from nasnb.analysis.hessian import alpha_hessian, dominant_eigenvalue
from nasnb.analysis.logs import (
    eigenvalues,
    moving_average,
    read_derivatives,
    read_errors,
    read_samples,
    read_search,
    stopping_record,
)
from nasnb.config import SearchConfig
from nasnb.evaluation import statistics
from nasnb.methods import METHODS
from nasnb.search import begin
from nasnb.spaces import SPACES
from nasnb.supernet.relaxation import uniform

STAMP = "2019-07-16 13:28:35,224 "
CELL = "[('skip_connect', 1), ('dil_conv_3x3', 0), ('sep_conv_3x3', 2), ('skip_connect', 0)]"


def written(tmp_path, name, *lines):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


def test_search_log(tmp_path):
    lines = ["gpu device = 0", "param size = 0.4MB"]
    for epoch, accuracy in ((0, 53.9), (1, 65.5)):
        lines += [
            f"epoch {epoch} lr 2.5e-02",
            "train 000 2.3 9.4 57.8",
            f"train_acc {accuracy - 9}",
            "valid 000 9.4e-01 70.3 100.0",
            f"valid_acc {accuracy}",
            f"genotype = Genotype(normal={CELL}, normal_concat=range(2, 4), reduce={CELL}, reduce_concat=range(2, 4))",
        ]
    table = read_search(written(tmp_path, "log_1.txt", *(STAMP + line for line in lines), "no time stamp"))
    assert table[["epoch", "lr", "train_accuracy", "valid_accuracy"]].to_numpy().tolist() == [
        [0, 0.025, 44.9, 53.9],
        [1, 0.025, 56.5, 65.5],
    ]
    assert table.genotype[1].ops("normal") == ["skip_connect", "dil_conv_3x3", "sep_conv_3x3", "skip_connect"]
    assert table.genotype[0].concat["reduce"] == (2, 3)
    with pytest.raises(ValueError, match="holds no epochs; expected lines such as"):
        read_search(written(tmp_path, "other.txt", STAMP + "hello"))


def test_random_search_log(tmp_path):
    line = STAMP + "epoch 49  |  train_acc 71.668000  |  valid_acc 68.125000"
    assert read_search(written(tmp_path, "log.txt", line)).to_numpy().tolist() == [[48, 71.668, 68.125]]


def test_nothing_in_a_log_is_evaluated(tmp_path):
    evil = f"genotype = Genotype(normal=__import__('os').getcwd(), normal_concat=range(2, 6), reduce={CELL})"
    with pytest.raises(ValueError, match="is not a list of"):
        read_search(written(tmp_path, "log.txt", STAMP + "epoch 0 lr 1e-2", STAMP + evil))


def test_errors_file_that_calls_the_error_accuracy(tmp_path):
    right = {
        "train_acc": [40.0, 60.0, 70.0],
        "train_loss": [2.0, 1.5, 1.0],
        "valid_acc": [38.0, 55.0, 60.0],
        "valid_loss": [2.1, 1.6, 1.2],
    }
    wrong = right | {"valid_acc": [62.0, 45.0, 40.0]}
    tables = [read_errors(written(tmp_path, "errors_1.json", json.dumps(each))) for each in (right, wrong)]
    assert tables[0].valid_accuracy.tolist() == tables[1].valid_accuracy.tolist() == [38, 55, 60]
    assert [table.attrs["valid_was_error"] for table in tables] == [False, True]
    assert tables[0].epoch.tolist() == [0, 1, 2]


def test_derivatives_and_their_eigenvalues(tmp_path):
    lines = [json.dumps({"epoch": 2 * i, "H": [[2.0, i], [i, 2.0]], "g": [0.5, -0.5]}) for i in range(3)]
    records = read_derivatives(written(tmp_path, "derivatives_1.json", *lines))
    assert records[1].gradient.tolist() == [0.5, -0.5]
    table = eigenvalues(records)
    assert table.epoch.tolist() == [0, 2, 4]
    assert table.eigenvalue.tolist() == pytest.approx([2, 3, 4])


def test_moving_average_and_stopping_by_hand():
    assert moving_average([1, 2, 3, 4, 10], window=3).tolist() == pytest.approx([1.5, 2, 3, 17 / 3, 7])
    assert moving_average([6, 0, 0], window=5).tolist() == pytest.approx([2, 2, 2])
    # averages of the first ten: 1 up to record 5, then 1.2, 1.4: more than 1.3 times that of four before at record 7
    values = [1.0] * 8 + [2.0] * 6
    assert moving_average(values)[5:8].tolist() == pytest.approx([1, 1.2, 1.4])
    assert stopping_record(values) == 7
    assert stopping_record(values, ratio=3) is None
    assert stopping_record([1, 1, 5, 9, 50, 90, 90]) == 5  # never before record 5
    assert stopping_record([-1.0, -1.1, 1, -2], lag=1, first=1, window=1) is None  # no ratio below 0


SAMPLES = [
    "([(0, 0), (1, 1), (0, 1), (2, 0)], [(0, 0), (1, 1), (1, 0), (2, 1)])",
    "([(1, 1), (0, 1), (0, 1), (1, 0)], [(0, 1), (1, 1), (1, 0), (2, 1)])",
]


def test_samples_and_conditional_accuracy(tmp_path):
    lines = [STAMP + SAMPLES[1], STAMP + "epoch 1  |  train_acc 14.8  |  valid_acc 13.6"]  # of training: no objective
    for sample, objective in zip(SAMPLES, (-49.0, -59.0), strict=True):
        lines += [STAMP + text for text in (sample, "valid 000 1.6 46.8 93.7", sample, f"objective_val: {objective}")]
    path = written(tmp_path, "log_4.txt", *lines)
    samples = read_samples(path, SPACES["s2"].choices)
    assert samples.groupby("sample").accuracy.first().tolist() == [50, 60]
    assert len(samples) == 16
    first = samples[(samples["sample"] == 0) & (samples.group == "normal")]
    assert first[["source", "target", "op"]].to_numpy().tolist() == [
        [0, 2, "skip_connect"],
        [1, 2, "sep_conv_3x3"],
        [0, 3, "sep_conv_3x3"],
        [2, 3, "skip_connect"],
    ]
    assert set(read_samples(path).op) == {0, 1}
    with pytest.raises(ValueError, match="holds no samples"):
        read_samples(written(tmp_path, "none.txt", STAMP + "hello"))


def test_samples_of_another_space_are_refused(tmp_path):
    path = written(tmp_path, "log.txt", STAMP + SAMPLES[0].replace("(0, 0)", "(0, 3)"), STAMP + "objective_val: -1")
    with pytest.raises(ValueError, match="operation 3 on edge 0->2 of 'normal': this space has skip_connect"):
        read_samples(path, SPACES["s2"].choices)


# --- our own supernets ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def state():
    method = replace(METHODS["darts-1st"], space=SPACES["bench201"])
    state = begin(method, tiny_data(), SearchConfig(channels=2, cells=1, batch_size=8, alpha_init_std=0.5))
    state.net.double(), state.relaxation.double()
    return state


@pytest.fixture(scope="module")
def pair(state):
    stream = state.batches(state.valid, "hessian", 0)
    return [(images.double(), labels) for images, labels in (next(stream), next(stream))]


@pytest.fixture(scope="module")
def hessian(state, pair):
    return alpha_hessian(state, pair, weight_decay=1e-3)


def test_hessian_against_finite_differences_of_the_gradient(state, pair, hessian):
    assert hessian.shape == (30, 30)
    alpha, sides = state.relaxation.alpha["cell"], []
    for sign in (1, -1):
        with torch.no_grad():
            alpha[3, 1] += sign * 1e-5
        with statistics(state.net, "batch"):
            loss = sum(state.loss(batch, state.relaxation()) for batch in pair) / 2
            sides.append(torch.autograd.grad(loss, alpha)[0].flatten())
        with torch.no_grad():
            alpha[3, 1] -= sign * 1e-5
    expected = (sides[0] - sides[1]).numpy() / 2e-5
    expected[16] += 1e-3
    assert hessian[16] == pytest.approx(expected, abs=1e-5 * np.abs(expected).max())


def test_the_network_stays_as_it_was(state, pair):
    before = {name: tensor.clone() for name, tensor in state.net.state_dict().items()}
    dominant_eigenvalue(state, pair[:1], tolerance=1e-1)
    assert all(torch.equal(tensor, state.net.state_dict()[name]) for name, tensor in before.items())
    assert all(p.requires_grad and p.grad is None for p in state.net.parameters())


def test_a_softmax_does_not_see_a_shift_of_its_row(hessian):
    """As in RobustDARTS' files: the columns of an edge add up to nothing, but for the weight decay."""
    sums = hessian.reshape(30, 6, 5).sum(2)
    assert sums == pytest.approx(1e-3 * np.repeat(np.eye(6), 5, axis=0), abs=1e-9)


def test_lanczos_finds_the_exact_eigenvalue(state, pair, hessian):
    found = dominant_eigenvalue(state, iter(pair), weight_decay=1e-3)
    assert found == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-3)
    with pytest.raises(ValueError, match="unknown method 'power'"):
        dominant_eigenvalue(state, pair, method="power")


def test_fixed_alpha_has_no_curvature():
    method = replace(METHODS["darts-1st"], space=SPACES["s2"], relax=uniform)
    fixed = begin(method, tiny_data(), SearchConfig(channels=2, cells=3, batch_size=16))
    batch = next(fixed.batches(fixed.valid, "hessian", 0))
    with pytest.raises(ValueError, match="alpha is fixed under the rule 'uniform'"):
        dominant_eigenvalue(fixed, [batch])
