"""Correlations between columns of supernets, with whole methods as clusters."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nasnb.analysis.across import clusters as ag

METHODS, SEEDS = [f"m{i}" for i in range(7)], range(6)


def made(value, *, methods=METHODS, seeds=SEEDS):
    """A table whose columns are `value(method's number, seed)`."""
    lines = [{"method": m, "seed": s} | value(i, s) for s in seeds for i, m in enumerate(methods)]
    return pd.DataFrame(lines)


def noise(seed=0, columns="xy", **sizes):
    draw = np.random.default_rng(seed)
    return made(lambda *_: dict(zip(columns, draw.normal(size=len(columns)), strict=True)), **sizes)


def test_a_correlation_is_the_mean_over_seeds_of_that_over_methods():
    table = noise()
    found = ag.pair(table, "x", "y")
    by_seed = [stats.spearmanr(part.x, part.y).statistic for _, part in table.groupby("seed")]
    assert found["correlation"] == pytest.approx(np.mean(by_seed)) and found["n"] == 6 and found["n_ranked"] == 7
    assert ag.seed_correlations(table, "x", "y", sign=-1).tolist() == pytest.approx([-r for r in by_seed])
    by_method = [stats.spearmanr(part.x, part.y).statistic for _, part in table.groupby("method")]
    assert ag.pair(table, "x", "y", within="method")["correlation"] == pytest.approx(np.mean(by_method))


def test_p_counts_orders_of_whole_methods():
    """Seeds that repeat each other add nothing: as if there were one."""
    order = [3, 0, 2, 1, 4, 6, 5]
    once = made(lambda i, s: {"x": i, "y": order[i]}, seeds=[0])
    many = made(lambda i, s: {"x": i, "y": order[i]})
    r = stats.spearmanr(range(7), order).statistic
    orders = np.array([stats.pearsonr(range(7), o).statistic for o in ag.orders(7)[:600]])
    assert ag.pair(many, "x", "y")["p"] == ag.pair(once, "x", "y")["p"]
    exact = stats.permutation_test(
        (np.array(order),),
        lambda y: stats.spearmanr(range(7), y).statistic,
        permutation_type="pairings",
        n_resamples=500,
        rng=0,
    ).pvalue
    assert ag.pair(once, "x", "y")["p"] == pytest.approx(exact, abs=0.06)
    assert len(ag.orders(6)) == 720 and len(ag.orders(9)) == ag.DRAWS and abs(orders).max() <= 1 and abs(r) < 1


def test_noise_is_called_more_than_chance_in_about_one_of_twenty():
    p = [ag.pair(noise(seed, methods=METHODS[:5], seeds=range(3)), "x", "y")["p"] for seed in range(60)]
    assert np.mean(np.array(p) <= 0.05) < 0.09


def test_what_both_owe_to_a_third_is_taken_out():
    draw = np.random.default_rng(1)

    def value(i, s):
        z = draw.normal()
        return {"x": z + 1.0 * draw.normal(), "y": z + 1.0 * draw.normal(), "z": z}

    table = made(value)
    assert ag.pair(table, "x", "y")["correlation"] > 0.2
    part = ag.pair(table, "x", "y", beside="z")
    r = [t[["x", "y", "z"]].rank().corr() for _, t in table.groupby("seed")]
    by_hand = [(c.x.y - c.x.z * c.y.z) / np.sqrt((1 - c.x.z**2) * (1 - c.y.z**2)) for c in r]
    assert part["correlation"] == pytest.approx(np.mean(by_hand), abs=1e-6) and abs(part["correlation"]) < 0.4


def test_methods_without_a_number_are_left_out_and_too_few_say_nothing():
    table = noise().astype({"x": object})
    table.loc[table.method == "m0", "x"] = "not defined: no alpha"
    assert ag.pair(table, "x", "y")["n_ranked"] == 6
    assert np.isnan(ag.pair(table[table.method > "m3"], "x", "y")["correlation"])
    assert ag.agreement(noise(columns="xyz"), ["x", "y", "z"])[["first", "second"]].to_numpy().tolist() == [
        ["x", "y"],
        ["x", "z"],
        ["y", "z"],
    ]
    assert np.isnan(ag.pair(made(lambda i, s: {"x": 1.0, "y": float(i)}), "x", "y")["p"])


def test_a_column_that_knows_the_method_has_all_of_the_variance():
    draw = np.random.default_rng(2)
    table = made(lambda i, s: {"method's": i + 0.001 * draw.normal(), "noise": draw.normal(), "same": 1.0})
    found = ag.separated(table, ["method's", "noise", "same"]).set_index("column")
    assert found.share["method's"] > 0.95 and found.p["method's"] < 1e-4
    assert abs(found.share["noise"]) < 0.3 and found.p["noise"] > 0.05 and np.isnan(found.share["same"])


def test_two_hidden_things_are_found_as_two_factors():
    draw = np.random.default_rng(3)

    def value(i, s):
        one, two = draw.normal(size=2)
        return {"a": one, "b": -one, "c": one + 0.1 * draw.normal(), "d": two, "e": two + 0.1 * draw.normal()}

    shares, loads = ag.factors(made(value), list("abcde"), draws=100)
    assert (shares.share > shares.chance).tolist()[:3] == [True, True, False]
    assert shares.share.sum() == pytest.approx(1)
    assert abs(loads["factor 1"][["a", "b", "c"]]).min() > 0.9 and abs(loads["factor 2"][["d", "e"]]).min() > 0.9
    with pytest.raises(ValueError, match="give each as many"):
        ag.factors(made(value).iloc[1:], list("abcde"), draws=1)
