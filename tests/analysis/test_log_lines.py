"""Search logs of several kinds, written here as the programs write them, whole and damaged."""

import os
import re

import numpy as np
import pandas as pd
import pytest
from conftest import tiny_data
from hypothesis import given, settings
from hypothesis import strategies as st

import nasnb
from nasnb.analysis.log_lines import search_log
from nasnb.analysis.logs import read_derivatives, read_samples, read_search
from nasnb.spaces import SPACES

OFFICIAL, AMERICAN, NONE = "2018-10-14 13:48:09,858 ", "10/14 01:48:09 PM ", ""
PICKS = "[('skip_connect', 1), ('dil_conv_3x3', 0), ('sep_conv_3x3', 2), ('skip_connect', 0)]"
GENOTYPE = f"genotype = Genotype(normal={PICKS}, normal_concat=range(2, 4), reduce={PICKS}, reduce_concat=range(2, 4))"
NESTED = GENOTYPE.replace("[(", "[[(").replace(")]", ")]]").replace("0), ('sep", "0)], [('sep")


def matrix(edges=5, ops=8, seed=0):
    values = np.random.default_rng(seed).dirichlet(np.ones(ops), edges)
    return values.round(4)


def tensor(values):
    rows = (", ".join(f"{value:.4f}" for value in row) for row in values)
    return ("tensor([[" + "],\n        [".join(rows) + "]],\n       device='cuda:0', grad_fn=<SoftmaxBackward>)").split(
        "\n"
    )


def variable(values):
    size = f"[torch.cuda.FloatTensor of size {values.shape[0]}x{values.shape[1]} (GPU 0)]"
    return ["Variable containing:", "1.00000e-02 *", *(" ".join(f"{100 * v:.4f}" for v in row) for row in values), size]


def epoch_lines(number, *, stamp=OFFICIAL, printed=tensor, ending="", seed=0):
    """As quark0/darts says an epoch: cell and alpha, then training and validation."""
    said = [f"epoch {number} lr 2.400000e-02{ending}", GENOTYPE]
    alphas = [*printed(matrix(seed=seed)), *printed(matrix(seed=seed + 1))]
    accuracies = [
        f"train 000 2.3 {number} 57.8",
        f"train_acc {40 + number}{ending}",
        f"valid_acc {50 + number}{ending}",
    ]
    return [*(stamp + line for line in said), *alphas, *(stamp + line for line in accuracies)]


def written(tmp_path, lines):
    path = tmp_path / "log.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("stamp", [OFFICIAL, AMERICAN, NONE], ids=["iso", "american", "none"])
@pytest.mark.parametrize("printed", [tensor, variable])
def test_official_log_with_alpha(tmp_path, stamp, printed):
    lines = [line for e in range(3) for line in epoch_lines(e, stamp=stamp, printed=printed, seed=10 * e)]
    table = read_search(written(tmp_path, lines))
    assert table[["epoch", "lr", "train_accuracy", "valid_accuracy"]].to_numpy().tolist() == [
        [e, 0.024, 40 + e, 50 + e] for e in range(3)
    ]
    assert table.attrs["printed"] == "before"
    for e in range(3):
        assert np.allclose(table.weights[e]["normal"], matrix(seed=10 * e), atol=1e-9)
        assert np.allclose(table.weights[e]["reduce"], matrix(seed=10 * e + 1), atol=1e-9)
    edges = table.attrs["choices"].groups["normal"]
    assert [(edge.source, edge.target) for edge in edges] == [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert edges[0].ops == SPACES["darts"].choices.groups["normal"][0].ops


@pytest.mark.parametrize("ending", [" drop_prob 4.08e-03 cutout_prob 2.04e-02", " | loss 1.5", ", eta 3:10"])
def test_what_follows_a_number_is_passed_over(tmp_path, ending):
    table = read_search(written(tmp_path, epoch_lines(0, ending=ending)))
    assert table[["lr", "train_accuracy", "valid_accuracy"]].to_numpy().tolist() == [[0.024, 40, 50]]


def test_pt_darts(tmp_path):
    """Epochs from 1, a matrix per node under a heading, `none` as the last operation, picks bracketed by node."""
    stamp, lines = "07/17 11:49:12 PM | ", ["07/17 11:49:12 PM | Logger is set - training start"]
    for e in range(2):
        values = {group: matrix(seed=e + i) for i, group in enumerate(("normal", "reduce"))}
        lines.append("####### ALPHA #######")
        for group, rows in values.items():
            lines += [f"# Alpha - {group}", *tensor(rows[:2]), *tensor(rows[2:]), ""]
        lines += [
            "#####################",
            f"{stamp}Train: [ {e + 1}/50] Step 000/097 Loss 2.367",
            f"{stamp}Train: [ {e + 1}/50] Final Prec@1 38.2680%",
            f"{stamp}Valid: [ {e + 1}/50] Final Prec@1 46.4240%",
            stamp + NESTED,
        ]
    table = read_search(written(tmp_path, lines))
    assert table[["epoch", "train_accuracy", "valid_accuracy"]].to_numpy().tolist() == [
        [e, 38.268, 46.424] for e in (0, 1)
    ]
    assert np.allclose(table.weights[1]["reduce"], matrix(seed=2))
    assert table.attrs["choices"].groups["reduce"][0].ops[-1] == "none"
    assert table.genotype[0].ops("normal") == ["skip_connect", "dil_conv_3x3", "sep_conv_3x3", "skip_connect"]


def test_alpha_itself_becomes_weights(tmp_path):
    alpha = np.array([[0.5, -0.5], [-1.0, 0.25]])
    table = read_search(written(tmp_path, [OFFICIAL + "epoch 0 lr 1e-2", *tensor(alpha), *tensor(alpha)]))
    assert np.allclose(table.weights[0]["normal"], np.exp(alpha) / np.exp(alpha).sum(axis=1, keepdims=True))
    assert table.attrs["choices"] is None  # two operations: S2, S4 or another
    named = SPACES["s2"].choices
    with pytest.raises(ValueError, match=r"prints weights of .*\(2, 2\).* the choices given have .*\(14, 2\)"):
        read_search(tmp_path / "log.txt", choices=named)


def test_edges_that_were_decided_have_no_weights(tmp_path):
    values = matrix()
    values[2] = 0
    table = read_search(written(tmp_path, [OFFICIAL + "epoch 0 lr 1e-2", *tensor(values), *tensor(matrix())]))
    assert table.weights[0]["normal"][2].tolist() == [0] * 8


# --- several runs ---------------------------------------------------------------------------------------------------


def test_a_resumed_search_is_one_run(tmp_path):
    lines = [line for e in (0, 1, 2, 3) for line in epoch_lines(e, seed=1)]
    lines += [line for e in (2, 3, 4) for line in epoch_lines(e, seed=7)]
    table = read_search(written(tmp_path, lines))
    assert table.epoch.tolist() == [0, 1, 2, 3, 4]
    assert np.allclose(table.weights[2]["normal"], matrix(seed=7))


def test_appended_runs_are_told_apart(tmp_path):
    lines = [line for first in (0, 1) for e in range(2 + first) for line in epoch_lines(e, seed=first)]
    path = written(tmp_path, lines)
    with pytest.raises(
        ValueError, match=r"2 runs, .*run=0 has epochs 0 to 1, from line 1; run=1 has epochs 0 to 2, from"
    ):
        read_search(path)
    assert read_search(path, run=0).epoch.tolist() == [0, 1]
    assert read_search(path, run=1).epoch.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="has no run 2: run=0 has"):
        read_search(path, run=2)


# --- damaged --------------------------------------------------------------------------------------------------------

WHOLE = [line for e in range(2) for line in epoch_lines(e)]


def at(text):
    return next(i for i, line in enumerate(WHOLE) if text in line)


DAMAGED = {
    "an accuracy that is none": ("valid_acc 50", "valid_acc 5o", "'5o' is no number from 0 to 100"),
    "an accuracy that is not a number": ("valid_acc 50", "valid_acc nan", "'nan' is no number from 0 to 100"),
    "an accuracy beyond 100": ("train_acc 40", "train_acc 400", "'400' is no number from 0 to 100"),
    "an epoch line cut short": ("epoch 1 lr 2.400000e-02", "epoch 1 lr", "'' is no number from 0 to inf"),
    "a genotype cut short": (GENOTYPE, GENOTYPE[:60], "missing|not a genotype|no cell|cut|bracket|parse"),
    "a weight that is none": ("tensor([[0", "tensor([[x", "'x[.0-9]*' is no number of a matrix"),
    "a weight that is another": ("tensor([[0.", "tensor([[3.", "weights that add up to [0-9.]+, where other rows"),
    "epochs that are missing": ("epoch 1 lr", "epoch 5 lr", "epoch 5 follows epoch 0, lines are missing"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_log_says_the_line(tmp_path, kind):
    old, new, why = DAMAGED[kind]
    place = at(old)
    lines = [*WHOLE[:place], WHOLE[place].replace(old, new), *WHOLE[place + 1 :]]
    with pytest.raises(ValueError, match=rf"log\.txt, line {place + 1}: .*(?:{why})"):
        read_search(written(tmp_path, lines))


def test_a_matrix_without_an_end(tmp_path):
    place = at("]],")
    with pytest.raises(ValueError, match=r"line 3: the matrix that begins here has no end"):
        read_search(written(tmp_path, [*WHOLE[:place], *WHOLE[at("train 000") :]]))


def test_rows_of_different_length(tmp_path):
    place = at("tensor([[") + 1
    short = WHOLE[place].rsplit(",", 2)[0] + "],"
    with pytest.raises(ValueError, match=rf"line {place + 1}: a row of 7 numbers in a matrix with rows of 8"):
        read_search(written(tmp_path, [*WHOLE[:place], short, *WHOLE[place + 1 :]]))


@settings(max_examples=int(os.environ.get("NASNB_EXAMPLES", 60)), deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), cut=st.integers(0, 40), junk=st.text(max_size=8))
def test_any_damage_is_a_reason_or_no_loss(tmp_path_factory, place, cut, junk):
    """A line cut and overwritten anywhere: the log is refused by file and line, or what it still says is all there."""
    lines = [*WHOLE[:place], WHOLE[place][:cut] + junk, *WHOLE[place + 1 :]]
    path = written(tmp_path_factory.mktemp("log"), lines)
    try:
        table = read_search(path)
    except ValueError as error:
        assert re.search(r"log\.txt(, line \d+:| holds)", str(error))
        return
    assert table.epoch.is_monotonic_increasing and table.epoch.is_unique
    assert ((table.filter(like="accuracy").dropna() >= 0) & (table.filter(like="accuracy").dropna() <= 100)).all(
        axis=None
    )


def test_damaged_derivatives_and_samples_say_the_line(tmp_path):
    with pytest.raises(ValueError, match="line 2: no record with epoch, H and g"):
        read_derivatives(written(tmp_path, ['{"epoch": 0, "H": [[1.0]], "g": [1.0]}', '{"epoch": 1, "H": [[1.']))
    with pytest.raises(ValueError, match="line 1: no architecture"):
        read_samples(written(tmp_path, [OFFICIAL + "([(0, 0), (1, 1), (0, 1)"]))
    with pytest.raises(ValueError, match="line 2: '-5o' is no number from -99 to 1"):
        read_samples(written(tmp_path, [OFFICIAL + "([(0, 0)], [(0, 0)])", OFFICIAL + "objective_val: -5o"]))


# --- our own --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["darts-1st", "pc-darts"])
def test_our_own_search_in_the_official_format_is_read_back_equal(tmp_path, name):
    method = nasnb.METHODS[name]
    config = method.at("smoke", epochs=2, channels=4, batch_size=16, train_images=48)
    rows, genotypes, weights = [], [], {"normal": [], "reduce": []}
    for epoch in nasnb.search.search(method, tiny_data(), config):
        rows.append(epoch.row())
        genotypes.append(epoch.genotype)
        for group in weights:
            weights[group].append(epoch.weights[group].copy())
    history = pd.DataFrame(rows)
    table = read_search(written(tmp_path, search_log(history, genotypes, weights)))
    assert table.epoch.tolist() == (history.epoch - 1).tolist()
    assert np.allclose(table.lr, history.lr, rtol=1e-6)
    assert np.allclose(table.train_accuracy, history.train_accuracy, atol=1e-6)
    assert np.allclose(table.valid_accuracy, history.valid_accuracy, atol=1e-6)
    assert table.genotype.tolist() == genotypes
    assert table.attrs["printed"] == "after"
    for e in range(2):
        for group in weights:
            assert np.allclose(table.weights[e][group], weights[group][e], atol=5.1e-5)
    assert table.attrs["choices"] == method.space.choices


@pytest.mark.parametrize("lost", ["train_acc 41", "valid_acc 51", GENOTYPE])
def test_an_epoch_that_lacks_what_its_neighbours_have_is_damaged(tmp_path, lost):
    epochs = [[line for line in epoch_lines(e) if e != 1 or lost not in line] for e in range(3)]
    with pytest.raises(ValueError, match=f"line {len(epochs[0]) + 1}: epoch 1, which begins here, lacks"):
        read_search(written(tmp_path, [line for epoch in epochs for line in epoch]))


def test_lines_of_an_epoch_whose_own_line_is_lost_are_damage(tmp_path):
    lines = [line for e in range(3) for line in epoch_lines(e) if not line.startswith(f"{OFFICIAL}epoch 2")]
    last = max(i for i, line in enumerate(lines, 1) if "train_acc" in line)
    why = f"line {last}: train accuracy 42 in epoch 1, which has 41 already: the line of the epoch after it is missing"
    with pytest.raises(ValueError, match=why):
        read_search(written(tmp_path, lines))


ENDS = [
    (range(1, 3), "", "epochs 0"),
    (range(3), "args = Namespace(batch_size=64, epochs=3, seed=2)", ""),
    (range(2), "args = Namespace(batch_size=64, epochs=3, seed=2)", "epochs 2 of 3"),
    (range(2, 4), "args = Namespace(batch_size=64, epochs=50, seed=2)", "epochs 0 to 1 and 4 to 49 of 50"),
]


@pytest.mark.parametrize(("there", "header", "lost"), ENDS)
def test_what_is_lost_at_the_ends_is_told_by_the_logs_own_count(tmp_path, there, header, lost):
    table = read_search(written(tmp_path, [OFFICIAL + header, *(line for e in there for line in epoch_lines(e))]))
    assert table.attrs["lost"] == lost and table.epoch.tolist() == list(there)


def test_an_epoch_from_before_the_first_is_damage_not_a_new_run(tmp_path):
    with pytest.raises(ValueError, match="epoch 3 follows epoch 5"):
        read_search(written(tmp_path, [*epoch_lines(5), *epoch_lines(3)]))


def test_a_row_or_a_matrix_that_is_lost_is_damage(tmp_path):
    lines = [line for e in range(2) for line in epoch_lines(e, printed=variable)]
    at = max(i for i, line in enumerate(lines) if line.startswith("1.00000e-02"))
    with pytest.raises(ValueError, match="epoch 1, which begins here, has weights of"):
        read_search(written(tmp_path, [*lines[: at + 1], *lines[at + 2 :]]))
    with pytest.raises(ValueError, match=f"line {at}: the matrix that begins here has no rows"):
        read_search(written(tmp_path, [*lines[: at + 1], *lines[at + 6 :]]))
