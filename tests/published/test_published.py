"""The transcribed tables: complete, without doubles, and in agreement with the arithmetic that the papers imply."""

import numpy as np
import pytest

from nasnb.published.numbers import contradictions, disagreements, published

COLUMNS = ["paper", "table", "row", "dataset", "metric", "value", "spread", "n", "quoted", "note"]
PAPERS = ["DARTS", "sharpDARTS", "PC-DARTS", "StacNAS", "MSR-DARTS", "DARTS-PT"]
UNITS = ("percent", "points", "millions", "days", "hours", "gigabytes", "pixels", "gain", "deviation")
COUNTS = (
    "alpha",
    "correlation",
    "confusion",
    "depth",
    "width",
    "epoch",
    "epochs",
    "edges",
    "operations",
    "connections",
)


def value(rows, row, metric="error_percent", dataset="CIFAR-10"):
    found = rows[(rows.row == row) & (rows.metric == metric) & (rows.dataset == dataset)].value
    assert len(found) == 1, f"{row}, {metric}, {dataset}: {len(found)} values"
    return found.item()


def test_schema():
    rows = published()
    assert list(rows.columns) == COLUMNS
    assert list(rows.paper.unique()) == PAPERS
    assert rows.value.dtype == float and np.isfinite(rows.value).all()
    assert (rows.spread.dropna() > 0).all() and (rows.n.dropna() >= 3).all()
    assert rows.quoted.dtype == bool
    assert not rows[["paper", "table", "row", "dataset", "metric"]].duplicated().any()
    assert set(rows.dataset) == {"CIFAR-10", "CIFAR-10.1", "CIFAR-100", "SVHN", "ImageNet", "COCO"}


def test_every_metric_says_its_unit():
    precision = tuple(f"precision{size}" for size in ("", "_50", "_75", "_small", "_medium", "_large"))
    assert [m for m in published().metric.unique() if not m.endswith(UNITS + COUNTS + precision)] == []


def test_values_are_possible():
    rows = published()
    percent = rows[rows.metric.str.endswith("percent")]
    assert percent.value.between(0, 100).all()
    top1 = published(metric="top1_error_percent").set_index(["paper", "table", "row"]).value
    top5 = published(metric="top5_error_percent").set_index(["paper", "table", "row"]).value
    assert (top5 < top1.loc[top5.index]).all()
    averages = published(metric="error_percent").set_index(["paper", "table", "row", "dataset"]).value
    bests = published(metric="best_error_percent").set_index(["paper", "table", "row", "dataset"]).value
    both = bests.index.intersection(averages.index)
    assert len(both) > 5 and (bests.loc[both] < averages.loc[both]).all()


@pytest.mark.parametrize(  # counted by hand in the papers: lines of the table, and numbers in them
    ("paper", "table", "n_rows", "n_numbers"),
    [
        ("sharpDARTS", "Table 2", 20, 69),
        ("sharpDARTS", "Table 3", 13, 61),
        ("sharpDARTS", "Table 4", 3, 12),
        ("PC-DARTS", "Table 1", 18, 50),
        ("PC-DARTS", "Table 2", 20, 93),
        ("PC-DARTS", "Table 3", 4, 16),
        ("PC-DARTS", "Table 4", 36, 36),
        ("PC-DARTS", "Table 5", 8, 49),
        ("StacNAS", "Table 1", 5, 5),
        ("StacNAS", "Table 2", 16, 61),
        ("StacNAS", "Table 3", 9, 30),
        ("StacNAS", "Table 4", 5, 18),
        ("StacNAS", "Table 5", 6, 6),
        ("StacNAS", "Table 6", 15, 15),
        ("StacNAS", "Figure 5", 13, 24),
        ("MSR-DARTS", "Table 1", 2, 6),
        ("MSR-DARTS", "Table 2", 16, 46),
        ("MSR-DARTS", "Table 3", 20, 94),
        ("DARTS-PT", "Table 1", 6, 6),
        ("DARTS-PT", "Table 2", 24, 70),
        ("DARTS-PT", "Table 3", 12, 36),
        ("DARTS-PT", "Table 4", 6, 6),
    ],
)
def test_tables_are_complete(paper, table, n_rows, n_numbers):
    rows = published(paper=paper, table=table)
    assert (rows.row.nunique(), len(rows)) == (n_rows, n_numbers)


def test_same_number_in_two_papers_agrees_or_is_a_listed_contradiction():
    listed = set(contradictions()[["row", "dataset", "metric"]].itertuples(index=False, name=None))
    found = set(disagreements()[["row", "dataset", "metric"]].itertuples(index=False, name=None))
    assert found - listed == set()
    assert ("DARTS (2nd order)", "CIFAR-10", "error_percent") in found


def test_contradictions_name_known_papers_and_numbers():
    listed = contradictions()
    assert list(listed.columns) == ["paper", "place", "says", "but", "comment", "row", "dataset", "metric"]
    assert set(listed.paper) == set(PAPERS)
    assert (listed[["place", "says", "but"]] != "").all().all()
    about = set(listed[listed.row != ""][["row", "dataset", "metric"]].itertuples(index=False, name=None))
    known = set(published()[["row", "dataset", "metric"]].itertuples(index=False, name=None))
    assert about - known == set()


@pytest.mark.parametrize(
    ("method", "mean", "deviation", "printed"),
    [("DARTS-v1", 3.074, 0.14588, 0.15), ("DARTS-v2", 2.952, 0.21159, 0.21), ("PC-DARTS", 2.670, 0.07036, 0.07)],
)
def test_pc_darts_five_runs_have_the_printed_deviation(method, mean, deviation, printed):
    rows = published("PC-DARTS", "Table 4")
    runs = rows[rows.row.str.startswith(f"{method}, run")].value
    assert len(runs) == 5
    assert runs.mean() == pytest.approx(mean)
    assert runs.std(ddof=1) == pytest.approx(deviation, abs=5e-6)
    assert value(published("PC-DARTS", "text"), method, "error_percent_standard_deviation") == printed
    assert round(deviation, 2) == printed


def test_pc_darts_headline_is_its_best_run():
    runs = published("PC-DARTS", "Table 4").query("row.str.startswith('PC-DARTS, run')").value
    assert runs.min() == value(published("PC-DARTS", "Table 1"), "PC-DARTS")


def test_pc_darts_detection_gains():
    table, text = published("PC-DARTS", "Table 5"), published("PC-DARTS", "text")
    ours = value(table, "PC-DARTS with SSD", "average_precision", "COCO")
    for other, claimed in (("SSD300", True), ("SSD512", True), ("SSDLiteV3", False)):
        gain = ours - value(table, other, "average_precision", "COCO")
        printed = value(text, f"PC-DARTS against {other}", "average_precision_gain", "COCO")
        assert (gain == pytest.approx(printed)) is claimed


def test_stacnas_figure_5_gives_the_printed_correlations():
    rows = published("StacNAS", "Figure 5")
    points = rows[rows.row.str.contains(":")].pivot(index="row", columns="metric", values="value")
    for method, printed in (("StacNAS", 0.91), ("DARTS", 0.2)):
        own = points[points.index.str.startswith(f"{method}:")]
        r = np.corrcoef(own.accuracy_percent, own.alpha)[0, 1]
        assert value(rows, method, "correlation") == printed == pytest.approx(r, abs=5e-3)


def test_stacnas_correlation_matrix_is_positive_definite():
    rows = published("StacNAS", "Table 6")
    ops = list(dict.fromkeys(op for pair in rows.row for op in pair.split(", ")))
    matrix = np.eye(len(ops))
    for pair, correlation in zip(rows.row, rows.value, strict=True):
        i, j = (ops.index(op) for op in pair.split(", "))
        matrix[i, j] = matrix[j, i] = correlation
    expected = [0.458, 0.617, 0.735, 1.115, 1.448, 1.628]  # derived when the table was first read
    assert np.linalg.eigvalsh(matrix) == pytest.approx(expected, abs=1e-3)


def test_stacnas_error_and_accuracy_of_the_same_run_add_up():
    rows, row = published("StacNAS", "text"), "DARTS, space with sep_conv_7x7 for average pooling"
    assert value(rows, row) + value(rows, row, "accuracy_percent") == pytest.approx(100)


@pytest.mark.parametrize(
    ("claim", "ours", "theirs", "metric"),
    [
        (
            "DARTS+SSC, no search, error against DARTS (2nd order)",
            "DARTS+SSC, no search",
            "DARTS (2nd order)",
            "error_percent",
        ),
        (
            "SharpSepConvDARTS, error against DARTS (2nd order)",
            "SharpSepConvDARTS",
            "DARTS (2nd order)",
            "error_percent",
        ),
        (
            "SharpSepConvDARTS, search time against DARTS (2nd order)",
            "SharpSepConvDARTS",
            "DARTS (2nd order)",
            "gpu_days",
        ),
        ("sharpDARTS, parameters against DARTS (1st order)", "sharpDARTS", "DARTS (1st order)", "parameters_millions"),
        (
            "sharpDARTS, multiply-adds against DARTS (1st order)",
            "sharpDARTS",
            "DARTS (1st order)",
            "multiply_adds_millions",
        ),
        ("DARTS (2nd order), error against random search", "DARTS (2nd order)", "random search", "error_percent"),
    ],
)
def test_sharpdarts_ratios_follow_from_its_table(claim, ours, theirs, metric):
    table = published("sharpDARTS", "Table 2")
    percent = 100 * (1 - value(table, ours, metric) / value(table, theirs, metric))
    assert value(published("sharpDARTS", "text"), claim, "relative_improvement_percent") == pytest.approx(
        percent, abs=1
    )


def test_msr_darts_differences_follow_from_its_tables():
    toy, text = published("MSR-DARTS", "Table 1"), published("MSR-DARTS", "text")
    errors = [value(toy, f"{who}, 8 cells, convolutions only") for who in ("DARTS", "MSR-DARTS")]
    claimed = value(text, "MSR-DARTS against DARTS, 8 cells", "difference_percentage_points")
    assert errors[0] - errors[1] == pytest.approx(claimed)
    table = published("MSR-DARTS", "Table 3")
    ours = value(table, "MSR-DARTS (CIFAR-10)", "top1_error_percent", "ImageNet")
    for name, row in (("P-DARTS", "P-DARTS (CIFAR-10)"), ("PC-DARTS", "PC-DARTS (CIFAR-10)"), ("PR-DARTS", "PR-DARTS")):
        gain = value(table, row, "top1_error_percent", "ImageNet") - ours
        assert value(text, f"MSR-DARTS against {name}", "top1_accuracy_gain", "ImageNet") == pytest.approx(gain)


def test_darts_pt_gain_on_imagenet_follows_from_its_table():
    table = published("DARTS-PT", "Table 5")
    gain = value(table, "DARTS (2nd order)", "top1_error_percent", "ImageNet") - value(
        table, "DARTS+PT", "top1_error_percent", "ImageNet"
    )
    assert value(
        published("DARTS-PT", "text"), "DARTS+PT against DARTS", "top1_accuracy_gain", "ImageNet"
    ) == pytest.approx(gain)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no published paper 'PCDARTS', did you mean 'PC-DARTS'\\?; there are DARTS,"):
        published("PCDARTS")
    with pytest.raises(ValueError, match="no published table 'Table 9', did you mean 'Table"):
        published("StacNAS", "Table 9")
    with pytest.raises(ValueError, match="no published metric 'error', did you mean"):
        published(metric="error")


def test_changing_a_result_changes_no_later_one():
    rows = published()
    rows.loc[0, "value"] = -1.0
    assert published().value[0] == 3.0
