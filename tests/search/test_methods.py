"""One table over every method: it ends in a legal genotype, its seed decides everything, a pause changes nothing."""

import io
from dataclasses import replace

import pytest
import torch
from conftest import tiny_data

import nasnb
from nasnb.architecture import Genotype
from nasnb.data import load
from nasnb.experiment import method_like
from nasnb.methods import METHODS
from nasnb.report import part_text
from nasnb.search import begin, search
from nasnb.spaces import CellSpace, HyperCuboid, with_nodes

IMAGENET_SIZE = 64  # the stem leaves an eighth


def small(method):
    """Two nodes instead of four, two stages instead of eight: the same code on fewer edges."""
    if isinstance(method.space, HyperCuboid):
        return replace(method, space=HyperCuboid(widths=(8, 16), strides=(1, 2), features=16))
    kinds = {row for rows in method.space.candidates.values() for row in rows}
    return replace(method, space=with_nodes(method.space, 2)) if len(kinds) == 1 else method


SMALL = [small(method) for method in METHODS.values()]
ELSEWHERE = [
    METHODS["darts-pt"].on("bench201"),
    METHODS["darts-1st"].on("bench201"),
    METHODS["darts-1st"].on("s1"),
    small(METHODS["darts-pt"].on("s3")),
    small(METHODS["darts-1st"].on("s4")),
]


def config_of(method, **changes):
    """Two epochs of two steps; tuning epochs between the decisions of a selection phase."""
    pace = 0.2 if method.select else 2 / 50
    own = {"train_fraction": min(method.config.train_fraction, 2 / 3)} if method.config.train_fraction < 1 else {}
    channels = 8 if isinstance(method.space, HyperCuboid) else None
    cells = 1 if method.space.name == "bench201" else None
    config = method.at("smoke", batch_size=16, train_images=48, channels=channels, cells=cells, pace=pace, **own)
    return replace(config, **changes)


def data_of(method):
    return tiny_data(n=48, size=IMAGENET_SIZE if method.config.stem == "imagenet" else 8)


def saved_and_loaded(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def leaves(value, path=""):
    """Every number of nested containers, by where it stands."""
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in leaves(item, f"{path}.{key}").items()}
    if isinstance(value, list | tuple):
        return {k: v for i, item in enumerate(value) for k, v in leaves(item, f"{path}.{i}").items()}
    return {path: value.flatten().tolist() if isinstance(value, torch.Tensor) else value}


def stopped_after(method, data, config, n_steps):
    """The saved state of a search that was interrupted after so many steps."""
    steps, saved = [], []

    def count(state):
        steps.append((state.epoch, state.step))
        if len(steps) == n_steps:
            saved.append(saved_and_loaded(state.state_dict()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(search(method, data, config, on_step=count))
    return saved[0]


# made of the same parts as others in the table
ALIKE = {
    "darts-pt-fixed-alpha",
    "darts+ssc",
    "sdarts-rs-pt",
    "sharpsepconv-darts",
    "sharpsepconv-darts-max-w",
    "stacnas-one-stage",
    "stacnas-one-stage-two-level",
    "sharpdarts-max-w",
}


def row(method):
    return pytest.param(method, id=method.name, marks=[pytest.mark.slow] if method.name in ALIKE else [])


@pytest.mark.parametrize("method", [row(method) for method in SMALL + ELSEWHERE])
def test_ends_in_a_legal_genotype_and_a_pause_changes_nothing(method):
    data, config, steps = data_of(method), config_of(method), []
    whole = list(search(method, data, config, on_step=steps.append))
    last = whole[-1]
    space = method.final or last.state.method.space
    net = space.network(last.genotype, channels=8, cells=3, classes=4, image_channels=3)
    assert net.eval()(torch.zeros(1, 3, 16, 16)).shape == (1, 4)
    assert [epoch.number for epoch in whole] == list(range(1, len(whole) + 1))

    state = begin(method, data, config)
    state.load_state_dict(stopped_after(method, data, config, 2 * len(steps) // 3 | 1))
    resumed = list(search(method, data, config, state=state))[-1]
    assert leaves(resumed.state.state_dict()) == leaves(last.state.state_dict())
    assert (resumed.train, resumed.genotype, resumed.lr) == (last.train, last.genotype, last.lr)


def is_candidate(pick, group, space):
    """Whether the space has this operation between these states, or for a path between these widths."""
    if group == "path":
        return pick.op in space.primitives and {pick.source, pick.target} <= set(space.widths)
    return pick.op in {(edge.source, edge.target): edge.ops for edge in space.choices.groups[group]}[pick[1:]]


@pytest.mark.parametrize("name", METHODS)
def test_one_epoch_on_the_embedded_images_ends_in_a_legal_genotype(name):
    method = METHODS[name]
    data = load().resized(IMAGENET_SIZE if method.config.stem == "imagenet" else 16)
    channels = 8 if isinstance(method.space, HyperCuboid) else None
    config = method.at("smoke", epochs=1, batch_size=16, train_images=32, channels=channels, pace=0.1)
    config = replace(config, train_fraction=min(config.train_fraction, 0.5) if config.train_fraction < 1 else 1.0)
    *_, last = search(method, data, config)
    found, searched = last.genotype, last.state.method.space
    assert all(is_candidate(pick, group, searched) for group in found.picks for pick in found.picks[group])
    assert Genotype.from_notation(found.notation()) == found
    net = (method.final or searched).network(found, channels=8, cells=3, classes=10, image_channels=1)
    assert net.eval()(data.test.images[:2].float() / 255).shape == (2, 10)


def test_another_seed_gives_other_numbers():
    method = small(METHODS["sdarts-rs"])
    first, other = (next(search(method, data_of(method), config_of(method, seed=s))) for s in (0, 1))
    assert first.train != other.train


def test_phases_follow_each_other():
    method = small(METHODS["stacnas"])
    epochs = list(search(method, data_of(method), config_of(method)))
    assert [epoch.row()["phase"] for epoch in epochs] == ["search", "search", "stage 2", "stage 2"]
    assert [epoch.lr for epoch in epochs[:2]] == [epoch.lr for epoch in epochs[2:]]  # the schedule begins anew
    method = small(METHODS["darts-pt"])
    epochs = list(search(method, data_of(method), config_of(method)))
    assert [epoch.phase for epoch in epochs] == ["search"] * 2 + ["selection"] * 6  # 5 edges, 1 node, interval 1
    assert {epoch.lr for epoch in epochs[2:]} == {0.0025}


def test_the_second_stage_of_stacnas_has_the_members_of_the_winning_groups():
    method = small(METHODS["stacnas"])
    config = config_of(method, second_stage_cells=4)
    epochs = list(search(method, data_of(method), config))
    first, second = method.space, epochs[-1].state.method.space
    assert [len(edge.ops) for edge in first.choices.groups["normal"]] == [5] * 5
    groups = {
        ("skip_connect", "none"),
        ("max_pool_3x3", "avg_pool_3x3", "none"),
        ("sep_conv_3x3", "sep_conv_5x5", "none"),
        ("dil_conv_3x3", "dil_conv_5x5", "none"),
    }
    assert {edge.ops for edge in second.choices.groups["normal"]} <= groups
    assert len(epochs[-1].state.net.blocks) == 4
    assert len(epochs[-1].state.earlier) == 1


def test_a_trained_supernet_of_another_method_goes_on_with_this_ones_selection():
    searched, selecting = small(METHODS["darts-1st"].on("darts-no-none")), small(METHODS["darts-pt"])
    data, config = data_of(selecting), config_of(selecting)
    *_, last = search(searched, data, config)
    before = last.state.copied()
    epochs = list(search(selecting, data, config, state=before))
    assert {epoch.phase for epoch in epochs} == {"selection"}
    assert last.state.relaxation.is_open() is None  # the copy was decided, not the original


def test_warmup_shrinks_with_the_search():
    method = METHODS["pc-darts"]
    assert method.at("paper").pace == 1
    assert method.at("paper", epochs=100).pace == 1  # longer searches keep 15 epochs
    assert method.at("paper", epochs=10).pace == pytest.approx(0.2)
    assert method.at("smoke").channels == 16  # four times the preset's, since candidates see a quarter


def test_unknown_space():
    with pytest.raises(ValueError, match="unknown space 's9', did you mean 's"):
        METHODS["darts-pt"].on("s9")


def test_fixed_alpha_stays_and_its_decided_edges_are_one_hot():
    method = small(METHODS["darts-pt-fixed-alpha"])
    *_, last = search(method, data_of(method), config_of(method))
    assert not any(alpha.any() for alpha in last.state.relaxation.alpha.values())
    rows = last.weights["normal"]
    assert sorted(rows.sum(1)) == [0, 1, 1, 1, 1]  # five edges, one pruned
    assert set(rows.flatten()) == {0, 1}


def test_the_package_offers_its_main_names():
    assert isinstance(nasnb.SPACES["darts"], CellSpace)
    assert nasnb.METHODS is METHODS
    assert nasnb.count.__name__ == "count"
    assert "DARTS_V2" in nasnb.GENOTYPES
    method = small(METHODS["darts-1st"])
    epochs = nasnb.search.search(method, data_of(method), config_of(method, epochs=1))
    assert next(iter(epochs)).number == 1
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        _ = nasnb.serch


def test_levels_say_which_images_alpha_learns_from():
    one, two = (method_like("stacnas", levels=levels) for levels in (1, 2))
    assert (one.config.train_fraction, two.config.train_fraction) == (1.0, 0.5)
    assert [part_text(method.step) for method in (one, two)] == ["one_level()", "bilevel()"]
    assert {one.name, two.name} == {"stacnas-1-level", "stacnas-2-level"} and two.then is one.then
    with pytest.raises(ValueError, match="levels=3: a search has 1 or 2"):
        method_like("stacnas", levels=3)
