"""What supernets of S2 say of the claims of DARTS-PT, on tables made up here."""

import numpy as np
import pandas as pd
import pytest

from nasnb.analysis.darts_pt import of_supernets
from nasnb.workflow import on_s2


def tables():
    picks = pd.DataFrame(
        [
            (rule, edge, "skip_connect" if edge < n else "sep_conv_3x3", 7)
            for rule, n in (("alpha", 5), ("masking, loss", 2))
            for edge in range(14)
        ],
        columns=["rule", "edge", "op", "seed"],
    )
    gaps = pd.DataFrame({"skip_gap_mean": [0.1, 0.2, 0.3, 0.4], "valid_accuracy": [20, 30, 41, 50], "seed": 7})
    check = pd.DataFrame(
        {
            "estimate": "consensus",
            "var_conv": 2.0,
            "var_skip": 1.0,
            "optimal_gap": [0.1, 0.2, 0.3, 0.5],
            "learnt_gap": [0.4, 0.3, 0.2, 0.1],
            "seed": 7,
        }
    )
    checks = pd.concat(
        [check.assign(supernet=of_supernets.SEARCHED), check.assign(supernet=of_supernets.BEFORE, var_conv=1.5)]
    )
    steps = pd.DataFrame({"how": ["PT", "PT", "PT-Mag"], "seed": 7, "after": [30.0, 44.0, 40.0]})
    convs = pd.DataFrame({of_supernets.ALPHA: {7: 3}, "PT": {7: 6}})
    return picks, gaps, checks, steps, convs


def test_effects_are_positive_as_claimed():
    found = of_supernets.effects_on_s2(of_supernets.told_by_seed(*tables()))
    assert {claim.partition("/")[2]: effect[7] for claim, effect in found.items()} == pytest.approx(
        {
            "alpha-prefers-skip": 3,
            "gap-grows-with-accuracy": np.corrcoef([0.1, 0.2, 0.3, 0.4], [20, 30, 41, 50])[0, 1],
            "skip-nearer": np.log(2 / 1.5),
            "learnt-gap-follows": -1,
            "pt-keeps-accuracy": 4,
            "more-convolutions": 3,
        }
    )


def test_rules_share_all_but_the_choice_of_the_operation():
    assert list(on_s2.selection_rules(0.01)) == ["PT", "PT-Mag", "random choice"]
