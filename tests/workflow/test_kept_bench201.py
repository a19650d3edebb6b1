"""From the rows of the experiment to figures, records and evidence."""

import numpy as np
import pandas as pd

from nasnb.report.evidence import read_evidence
from nasnb.runs.kept import kept
from nasnb.workflow.arms import SIZES
from nasnb.workflow.kept_bench201 import FOLDER, Experiment, from_arguments, keep_claims


def experiment(path):
    line = {
        "phase": "search",
        "train_loss": 1.0,
        "valid_loss": 1.0,
        "lr": 0.1,
        "largest": 0.5,
        "weights": "",
        "device": "a card",
        "commit": np.nan,
        "train_accuracy": 80.0,
        "eigenvalue": 0.1,
    }
    cells = {"darts-1st": "111111", "sgas": "333123", "phase-2500-0.003": "111111"}
    rows = [
        line
        | {
            "arm": arm,
            "seed": seed,
            "epoch": epoch,
            "cell": cell if epoch == 21 else "333333",
            "valid_accuracy": 50.0 + epoch,
        }
        for arm, cell in cells.items()
        for seed in range(3)
        for epoch in (1, 20, 21)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)


def test_figures_and_evidence_carry_their_origin(tmp_path, capsys):
    experiment(tmp_path / "rows.csv.gz")
    out = tmp_path / "figures"
    from_arguments(
        [str(tmp_path / "rows.csv.gz"), "--seconds", "60", "--commit", "0123456789ab", "--figures-dir", str(out)]
    )
    for name in ("collapse", "phases", "arms", "trajectories"):
        result = kept(f"{FOLDER}/{name}", figures_dir=out)
        assert result.record["device"] == "a card" and result.record["commit"] == "0123456789ab"
        assert result.svg.lstrip().startswith("<") and len(result.table)
    assert "images" in kept(f"{FOLDER}/phases", figures_dir=out).table
    curves, ends = (kept(f"{FOLDER}/{name}", figures_dir=out).record for name in ("trajectories", "arms"))
    assert "over the epochs" in curves["alt"] and "Bars" not in curves["scale"] and "Bars" in ends["scale"]
    assert "3 of 6 finished searches end below 80 %" in curves["scale"] and "n = 3 finished" in curves["scale"]
    found = {each.claim.id: each for each in read_evidence("06-darts-pt", figures_dir=out)}
    sgas = found["darts-pt/sgas-201"]
    assert (sgas.kind, sgas.finding.n, sgas.seeds) == ("NAS-Bench-201", 3, (0, 1, 2))
    assert sgas.finding.estimate == np.float64(94.3733 - 54.2967)
    assert "darts-pt/sgas-201: " in capsys.readouterr().out


def test_small_searches_stand_beside_the_whole_ones(tmp_path):
    experiment(tmp_path / "rows.csv.gz")
    rows = pd.read_csv(tmp_path / "rows.csv.gz", dtype={"cell": str}).assign(commit="0123456789")
    whole, small = (Experiment("images", 60.0, size, tmp_path / "figures") for size in SIZES)
    assert "8 channels" in small.scale and small.record(rows)["config"]["train_images"] == 2000
    for of in (whole, small):
        keep_claims(rows, of)
    kept_for_sgas = [
        each for each in read_evidence("06-darts-pt", figures_dir=whole.figures_dir) if "sgas" in each.claim.id
    ]
    assert [each.run for each in kept_for_sgas] == [FOLDER, f"{FOLDER}/small-arms"]
    assert "2,000 images" in kept_for_sgas[1].scale
