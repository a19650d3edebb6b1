"""DARTS-PT on other spaces and after other methods, on a table made up here."""

import pandas as pd
import pytest

from nasnb.search.perturbation import perturbation
from nasnb.workflow import on_spaces
from nasnb.workflow.on_spaces import ALONE, ELSEWHERE, FIXED, S2, WITH_PT

ROWS = [  # pair, rule, seed, error, convolutions, noise
    *[(pair, ALONE, seed, None, 6, 3) for pair in ELSEWHERE for seed in (0, 1)],
    *[(pair, WITH_PT, 0, None, convolutions, 1) for pair, convolutions in zip(ELSEWHERE, (7, 8, 12), strict=True)],
    *[(pair, WITH_PT, 1, None, 6, 5) for pair in ELSEWHERE],
    (S2, ALONE, 0, 30.0, 4, 0),
    (S2, WITH_PT, 0, 10.0, 4, 0),
    (FIXED, WITH_PT, 0, 50.0, 4, 0),
    (S2, ALONE, 7, 30.0, 4, 0),  # a seed of its own, of which the other spaces know nothing
    (S2, WITH_PT, 7, 30.0, 4, 0),
]
TABLE = pd.DataFrame(ROWS, columns=["pair", "rule", "seed", "error", "convolutions", "noise"]).astype({"error": float})


def test_cells_of_three_spaces_count_in_the_mean_and_noise_on_s4():
    found = on_spaces.effects_elsewhere(TABLE)
    assert found["darts-pt/more-convolutions-elsewhere"].to_dict() == {0: pytest.approx(3), 1: 0}
    assert found["darts-pt/less-noise"].to_dict() == {0: 2, 1: -2}


def test_errors_are_compared_seed_by_seed_where_both_networks_are_there():
    found = on_spaces.effects_of_networks(TABLE)
    assert found["darts-pt/lower-error-on-s2"].to_dict() == {0: pytest.approx(100), 7: 0}
    assert found["darts-pt/fixed-alpha-beats-alpha"].to_dict() == {0: pytest.approx(-50)}
    assert "darts-pt/pt-on-sgas" not in found


def test_pairs_share_their_supernet_and_sgas_decides_while_it_searches():
    of = on_spaces.pairs(perturbation())
    assert [name for name, pair in of.items() if not pair.with_pt.select] == ["SGAS"]
    assert {pair.alone.space.name for name, pair in of.items() if name in ELSEWHERE} == {"s1", "s3", "s4"}
    assert len({pair.alone.name for pair in of.values()}) == len(of)


def test_without_alpha_there_is_only_what_pt_makes_of_the_supernet(monkeypatch):
    rows = lambda name, of, seed, **_: pd.DataFrame({"pair": name, "rule": list(of), "seed": seed})  # noqa: E731
    monkeypatch.setattr(on_spaces, "cell_rows", rows)
    both = {ALONE: "plain", WITH_PT: "by PT"}
    found = on_spaces.cells_on_s2(both, both, 3, train=None)
    assert list(zip(found.pair, found.rule, strict=True)) == [(S2, ALONE), (S2, WITH_PT), (FIXED, WITH_PT)]
    assert on_spaces.fixed_pair(perturbation()).alone.name == "fixed-s2"  # its runs are found again
