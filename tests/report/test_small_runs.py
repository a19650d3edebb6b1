"""What a script keeps of its small runs, on runs made up here."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from nasnb.report.evidence import read_evidence
from nasnb.report.small_runs import keep_small
from nasnb.runs.kept import kept

CHAPTER, CLAIM = "03-pc-darts", "pc-darts/partial-lowers-error"
RUNS = [SimpleNamespace(record={"device": "CPU", "commit": c, "seconds": 2.5}) for c in ("b1", "a0", "b1")]
TOLD = {"data": "squares", "config": {"epochs": 3}, "seeds": [4, 5, 6], "scale": "3 seeds", "alt": "A figure."}
TABLE = pd.DataFrame({"seed": [4, 5, 6], "error": [1.5, 2.5, 3.5]})


def test_figure_numbers_record_and_claims_are_kept_and_the_figure_is_closed(tmp_path):
    figure = plt.figure()
    judged = [({CLAIM: [1.0, 2.0, 3.0]}, True)]
    said = keep_small(
        f"{CHAPTER}/toy", figure, TABLE, RUNS, judged, **TOLD, told="A point per seed.", figures_dir=tmp_path
    )
    looked_up = [({CLAIM: [1.0, 2.0, 5.0]}, True)]
    kind = {"evidence_from": "NAS-Bench-201", "figures_dir": tmp_path}
    keep_small(f"{CHAPTER}/cells", plt.figure(), TABLE, RUNS, looked_up, **TOLD, **kind)
    back = kept(f"{CHAPTER}/toy", figures_dir=tmp_path)
    assert back.table.equals(TABLE) and "<svg" in back.svg and not plt.fignum_exists(figure.number)
    assert {name: back.record[name] for name in ("seed", "device", "commit", "seconds", "scale")} == {
        "seed": [4, 5, 6],
        "device": "CPU",
        "commit": "a0, b1",
        "seconds": 7.5,
        "scale": "3 seeds. A point per seed.",
    }
    other, one = read_evidence(CHAPTER, figures_dir=tmp_path)
    assert (one.kind, one.run, one.scale, one.seeds) == ("small", f"{CHAPTER}/toy", "3 seeds", (4, 5, 6))
    assert said[CLAIM] == one.finding != other.finding and other.kind == "NAS-Bench-201"


def test_a_claim_of_another_chapter_is_refused_before_anything_is_written(tmp_path):
    judged, figure = [({"stacnas/groups-help": [1.0]}, True)], plt.figure()
    with pytest.raises(ValueError, match="is a claim of 04-stacnas"):
        keep_small(f"{CHAPTER}/toy", figure, TABLE, RUNS, judged, **TOLD, figures_dir=tmp_path)
    plt.close(figure)
    assert not list(tmp_path.iterdir())
