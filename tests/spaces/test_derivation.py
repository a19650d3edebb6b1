"""From alpha (and beta) to cells: every numeric case of the published derivations."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nasnb.architecture import Genotype
from nasnb.spaces import SPACES
from nasnb.spaces.stacnas import stage_two, winners
from nasnb.supernet.relaxation import Relaxation, edge_normalised, softmax

EDGE, OP = torch.arange(14)[:, None], torch.arange(8)
FS, FC = torch.sin(1.7 * EDGE + 0.9 * OP), torch.cos(0.6 * EDGE - 1.3 * OP)
EVERYWHERE = " / ".join(["mp0 mp1"] * 4)


def mixing(space, normal, reduce, rule=softmax, beta=None):
    """The mixing weights of these logits; alphas with too many columns are cut."""
    relaxation = Relaxation(space.choices, rule)
    with torch.no_grad():
        for group, alpha in (("normal", normal), ("reduce", reduce)):
            relaxation.alpha[group].copy_(alpha[:, : relaxation.alpha[group].shape[1]])
            if beta is not None:
                relaxation.beta[group].copy_(beta[group])
        return relaxation()


def derived(name, normal, reduce):
    return SPACES[name].discretise(mixing(SPACES[name], normal, reduce))


def cells(genotype):
    return genotype.short("normal"), genotype.short("reduce")


def test_zero_alpha_takes_the_first_pools():
    assert cells(derived("darts", torch.zeros(14, 8), torch.zeros(14, 8))) == (EVERYWHERE, EVERYWHERE)


def test_closed_forms():
    expected = ("ap0 d51 / sk1 s50 / s31 ap2 / s31 ap2", "s50 s51 / ap2 mp0 / sk2 s33 / s30 s52")
    assert cells(derived("darts", FS, FC)) == expected


def test_none_is_never_chosen():
    alpha = torch.zeros(14, 8)
    alpha[:, 0] = 10
    assert cells(derived("darts", alpha, alpha)) == (EVERYWHERE, EVERYWHERE)


def test_none_weakens_its_edge():
    alpha = torch.zeros(14, 8)
    alpha[2, 4], alpha[2, 0], alpha[3, 3], alpha[4, 5] = 2.0, 4.0, 1.0, 1.5
    weights = mixing(SPACES["darts"], alpha, alpha)
    assert [round(float(weights["normal"][e, 1:].max()), 4) for e in (2, 3, 4)] == [0.1087, 0.2797, 0.3903]
    assert derived("darts", alpha, alpha).short("normal") == "mp0 mp1 / s52 sk1 / mp0 mp1 / mp0 mp1"


@pytest.mark.parametrize(
    ("name", "normal", "reduce"),
    [
        ("s1", "d30 sk1 / sk0 s31 / s32 mp0 / sk0 d32", "mp0 mp1 / d52 ap1 / sk3 ap0 / mp0 mp1"),
        ("s2", "s30 sk1 / sk0 s31 / s32 sk0 / sk0 s32", "sk0 sk1 / s32 s31 / sk3 s30 / sk0 sk1"),
        ("s3", "s30 sk1 / s31 sk2 / s32 sk3 / s31 s32", "sk1 sk0 / s32 sk0 / s30 s31 / sk4 sk3"),
        ("s4", "s30 nz1 / nz0 s31 / s32 nz0 / nz0 s32", "nz0 nz1 / s32 s31 / nz3 s30 / nz0 nz1"),
    ],
)
def test_closed_forms_in_the_small_spaces(name, normal, reduce):
    assert cells(derived(name, FS, FC)) == (normal, reduce)


def test_closed_form_without_none():
    # the reduction cell of this form has an exact tie
    assert derived("darts-no-none", FS, FC).short("normal") == "mp1 sk0 / s31 d30 / d50 s51 / sk2 mp3"


def test_zero_alpha_in_the_small_spaces():
    zero = torch.zeros(14, 8)
    assert derived("s1", zero, zero).short("normal") == "sk0 sk1 / sk0 sk1 / mp0 sk1 / sk0 mp1"
    assert derived("s3", zero, zero).short("normal") == " / ".join(["sk0 sk1"] * 4)


# --- PC-DARTS ---------------------------------------------------------------------------------------------------

PC_ALPHA = torch.sin(1.0 + 3 * EDGE + 5 * OP), torch.cos(2.0 + 7 * EDGE + 3 * OP)
PC_BETA = {"normal": torch.sin(2.0 * torch.arange(14)), "reduce": torch.cos(3.0 * torch.arange(14))}


def edge_scores(alpha, beta):
    weights = mixing(SPACES["darts"], *alpha, rule=edge_normalised(softmax), beta=beta)
    return {g: weights[g] * weights[f"{g}/edges"][:, None] for g in ("normal", "reduce")}, weights


def test_partial_channels_without_edge_normalisation():
    assert cells(derived("darts", *PC_ALPHA)) == (
        "ap1 s30 / s32 s30 / s31 s33 / sk3 sk1",
        "mp1 d30 / d51 sk0 / d33 d32 / mp1 d53",
    )


def test_edge_normalised_derivation():
    scores, weights = edge_scores(PC_ALPHA, PC_BETA)
    assert cells(SPACES["darts"].discretise(scores)) == (
        "ap1 s30 / s32 ap1 / d32 s33 / sk1 mp4",
        "d30 mp1 / sk0 d52 / ap1 d33 / mp1 d54",
    )
    shares = weights["normal/edges"]
    assert shares[5:9].tolist() == pytest.approx([0.125961, 0.126902, 0.584408, 0.162729], abs=1e-6)
    best = weights["normal"][:, 1:].amax(1)
    assert best[5:9].tolist() == pytest.approx([0.214024, 0.313029, 0.230924, 0.284784], abs=1e-6)
    strength = (shares * best).tolist()
    assert strength[5:9] == pytest.approx([0.026959, 0.039724, 0.134954, 0.046343], abs=1e-6)
    assert strength[9:] == pytest.approx([0.016945, 0.114321, 0.034492, 0.019672, 0.067390], abs=1e-6)


def test_edge_normalised_ties():
    zero = torch.zeros(14, 8)
    scores, weights = edge_scores((zero, zero), {g: torch.zeros(14) for g in ("normal", "reduce")})
    assert cells(SPACES["darts"].discretise(scores)) == (EVERYWHERE, EVERYWHERE)
    expected = [1 / 2] * 2 + [1 / 3] * 3 + [1 / 4] * 4 + [1 / 5] * 5
    assert weights["normal/edges"].tolist() == pytest.approx(expected)


# --- MSR-DARTS --------------------------------------------------------------------------------------------------


def test_stable_rank_tables():
    ranks = 100.0 + (7 * EDGE + 13 * OP[:4]) % 29
    least = SPACES["msr"].discretise({"normal": -ranks, "reduce": -torch.ones(14, 4)})
    assert cells(least) == ("s30 d31 / d51 d52 / d52 d30 / d52 d34", " / ".join(["s30 s31"] * 4))
    most = SPACES["msr"].discretise({"normal": ranks, "reduce": ranks})
    assert most.short("normal") == "d30 s51 / s32 s50 / s33 s51 / s33 s51"
    inner = torch.tensor([e.source >= 2 for e in SPACES["msr"].choices.groups["normal"]])[:, None]
    shifted = SPACES["msr"].discretise({g: -torch.where(inner, 4 * ranks, ranks) for g in ("normal", "reduce")})
    assert shifted.short("normal") == "s30 d31 / d51 d30 / d30 d31 / d30 d31"


# --- StacNAS ----------------------------------------------------------------------------------------------------


def test_stage_one_picks_a_group_per_edge():
    edge, node = torch.arange(14), torch.repeat_interleave(torch.arange(4), torch.tensor([2, 3, 4, 5]))
    within = edge - torch.tensor([0, 2, 5, 9])[node]
    beta = ((5 * within[:, None] + 3 * torch.arange(5) + 7 * node[:, None]) % 11) / 10
    space = SPACES["stacnas"]
    names = {"dil": "dil_conv_3x3", "skip": "skip_connect", "sep": "sep_conv_3x3", "pool": "max_pool_3x3"}
    expected = [
        "dil",
        "skip",
        "skip",
        "dil",
        "skip",
        "sep",
        "pool",
        "sep",
        "skip",
        "pool",
        "sep",
        "pool",
        "sep",
        "pool",
    ]
    won = winners(space.choices, mixing(space, beta, beta))
    assert won["normal"] == won["reduce"] == tuple(names[group] for group in expected)


def test_how_many_logits_stacnas_learns():
    second = stage_two(SPACES["stacnas"], {g: ["sep_conv_3x3"] * 14 for g in ("normal", "reduce")})
    spaces = {140: SPACES["stacnas"], 224: SPACES["darts"], 84: second}
    for count, space in spaces.items():
        assert sum(math.prod(space.choices.shape(group)) for group in space.choices.groups) == count


def node_scores(rows):
    """Scores of one node with these edges; the other nodes are all alike."""
    return torch.cat([torch.zeros(2, len(rows[0])), torch.tensor(rows), torch.zeros(9, len(rows[0]))])


@pytest.mark.parametrize(("score", "kept"), [("alpha", "s31 s32"), ("logit", "s30 s31")])
def test_edges_ranked_by_alpha_or_by_logit(score, kept):
    won = {g: ["sep_conv_3x3"] * 14 for g in ("normal", "reduce")}
    space = stage_two(SPACES["stacnas"], won)
    logits = node_scores([[0.5, 0.1, 0.9], [0.4, 0.0, -1.0], [0.3, 0.2, -0.5]])
    weights = mixing(space, logits, logits)
    assert weights["normal"][2:5, :2].amax(1).tolist() == pytest.approx([0.3162, 0.5217, 0.4248], abs=5e-5)
    found = space.discretise(weights if score == "alpha" else dict.fromkeys(won, logits))
    assert found.short("normal").split(" / ")[1] == kept


@pytest.mark.parametrize(("singleton", "score"), [("single", 1 / 2), ("duplicate", 1 / 3)])
def test_single_members_are_favoured_unless_listed_twice(singleton, score):
    won = {g: ["skip_connect", "sep_conv_3x3"] * 7 for g in ("normal", "reduce")}
    space = stage_two(SPACES["stacnas"], won, singleton=singleton)
    weights = mixing(space, torch.zeros(14, 3), torch.zeros(14, 3))
    assert weights["normal"][:2].amax(1).tolist() == pytest.approx([score, 1 / 3])
    assert space.discretise(weights).short("normal").startswith("sk0 s31")


@given(st.lists(st.lists(st.floats(-3, 3), min_size=8, max_size=8), min_size=14, max_size=14))
def test_any_scores_give_a_legal_cell(rows):
    scores = {g: torch.tensor(rows) for g in ("normal", "reduce")}
    found = SPACES["darts"].discretise(scores)
    for picks in found.picks.values():
        assert len(picks) == 8
        assert all(a.target == b.target and a.source != b.source for a, b in zip(picks[::2], picks[1::2], strict=True))
        assert all(pick.op != "none" for pick in picks)
    assert Genotype.from_notation(found.notation()) == found
