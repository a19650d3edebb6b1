"""Final trainings: schedules against the papers' values, recipes, what is reported, and ends out of memory."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from conftest import tiny_data
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nasnb.architecture import Genotype
from nasnb.config import IMAGENET, TRAINING, SearchConfig, TrainConfig, scaled
from nasnb.data import Augment, load
from nasnb.experiment import given_cell, recipe_of, run_training
from nasnb.methods import METHODS
from nasnb.published.genotypes import GENOTYPES
from nasnb.schedules import cosine_power, drop_path_probability, learning_rate
from nasnb.spaces import SPACES
from nasnb.supernet.memory import advice, need
from nasnb.training import accuracy_on, clopper_pearson, prepare, reported, train

STRING = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
SMALL = TrainConfig(epochs=2, batch_size=16, channels=4, cells=3, cutout=4)


def small(**changes):
    data = tiny_data(size=32, n=48)
    return prepare(SPACES["darts"], GENOTYPES["DARTS_V2"], data, replace(SMALL, **changes))


# --- schedules ----------------------------------------------------------------------------------------------------


def rates(config, epochs):
    return [learning_rate(config, epoch) for epoch in epochs]


def test_linear_schedule_of_pc_darts_on_imagenet():
    expected = [
        0.1,
        0.5,
        0.4897959183673469,
        0.24489795918367346,
        0.0020408163265306124,
        0.0020408163265306124,
        0.00040816326530612246,
    ]
    assert rates(IMAGENET["pc-darts"], (0, 4, 5, 125, 244, 245, 249)) == pytest.approx(expected, rel=1e-12)


def test_cosine_of_the_searches_and_trainings():
    pc = METHODS["pc-darts"].config
    expected = [
        0.1,
        0.09990133642141358,
        0.08187119948743449,
        0.07938926261462367,
        0.05,
        0.02061073738537635,
        9.866357858642206e-05,
    ]
    assert rates(pc, (0, 1, 14, 15, 25, 35, 49)) == pytest.approx(expected, rel=1e-9)
    assert rates(METHODS["stacnas"].config, (0, 40, 79)) == pytest.approx([0.025, 0.013, 0.00100925], rel=1e-5)
    assert rates(TrainConfig(), (0, 300, 599)) == pytest.approx([0.025, 0.0125, 1.71e-7], rel=5e-3)
    logged = [2.607695e-3, 1.262229e-3, 1.016446e-3]  # of the released sharpDARTS search
    assert rates(METHODS["sharpdarts"].config, (50, 56, 59)) == pytest.approx(logged, rel=1e-6)
    assert rates(IMAGENET["darts"], (0, 10)) == pytest.approx([0.1, 0.1 * 0.97**10])


def test_cosine_power_annealing_of_the_paper():
    config = TRAINING["sharpdarts"]
    expected = {
        0: 0.025,
        200: 0.02415902706955547,
        500: 0.020173651874923433,
        1000: 0.010355344917191756,
        1500: 0.002671007434908757,
        1800: 0.00042768981097821246,
        1999: 2.0689196537693772e-08,
    }
    assert rates(config, expected) == pytest.approx(list(expected.values()), rel=1e-9)
    plain = replace(config, power=1.0)
    assert rates(plain, (500, 1000, 1500)) == pytest.approx([0.021338836229297938, 0.012500005, 0.0036611737707020627])
    figure_5 = {
        30: 0.09395786866903091,
        75: 0.06843430360434946,
        100: 0.05173597391682461,
        150: 0.024595117530190183,
        200: 0.009332692382929234,
        225: 0.005172440356545777,
        270: 0.0013892369970677702,
        300: 0.00075,
    }
    found = [cosine_power(t, 300, 0.1, 7.5e-4, 10) for t in figure_5]
    assert found == pytest.approx(list(figure_5.values()), rel=1e-9)
    plain = [cosine_power(t, 300, 0.1, 7.5e-4, 1) for t in (75, 150, 225)]
    assert plain == pytest.approx([0.08546517401638243, 0.050375, 0.015284825983617583], rel=1e-9)
    halves = [cosine_power(1, 2, 1.0, 0.0, power) for power in (1, 2, 4, 10)]
    assert halves == pytest.approx([0.5, 0.41421356237309515, 1 / 3, 0.2402530733520421], rel=1e-9)
    assert cosine_power(1, 4, 1.0, 0.0, 1.000001) == pytest.approx((2 + math.sqrt(2)) / 4, abs=1e-6)


@given(st.floats(1, 100), st.integers(2, 300))
def test_cosine_power_falls_from_end_to_end(power, total):
    values = [cosine_power(t, total, 1.0, 0.1, power) for t in range(total + 1)]
    assert values[0] == pytest.approx(1)
    assert values[-1] == pytest.approx(0.1)
    assert all(a >= b for a, b in pairwise(values))
    if total % 2 == 0:
        assert (values[total // 2] - 0.1) / 0.9 == pytest.approx(1 / (1 + math.sqrt(power)))


def test_cosine_power_annealing_as_its_code_counts():
    config = SearchConfig(epochs=10, lr=1.0, lr_min=0.0, schedule="cosine_power_code", power=2.0)
    expected = [
        1,
        0.9022576401799189,
        0.7592877133943283,
        0.5940632508908593,
        0.42863229440908274,
        0.2800027698705035,
        0.15891726427643688,
        0.07081136107350709,
        0.01770269915149641,
        0,
    ]
    assert rates(config, range(10)) == pytest.approx(expected, abs=1e-12)
    warm = [
        1 / 3,
        2 / 3,
        1,
        0.8069459977753362,
        0.6147845809600307,
        0.41421356237309515,
        0.2385552993148774,
        0.10683994013232634,
        0.026732411776137166,
        0,
    ]
    assert rates(replace(config, warmup_epochs=2), range(10)) == pytest.approx(warm, abs=1e-12)
    plain = [
        1,
        0.9271986635272237,
        0.8138079235692806,
        0.6709272557929946,
        0.5125428154684583,
        0.354158375143922,
        0.2112777073676361,
        0.0978869674096929,
        0.02508563093691662,
        0,
    ]
    assert rates(replace(config, power=1.0), range(10)) == pytest.approx(plain, abs=1e-12)
    logged = {1: 4.25e-3, 6: 2.5e-2, 47: 1.580315e-2, 116: 1.515235e-4, 117: 1.289815e-4, 119: 1.032201e-4, 120: 1e-4}
    config = SearchConfig(epochs=120, lr_min=1e-4, schedule="cosine_power_code", warmup_epochs=5)
    assert rates(config, [number - 1 for number in logged]) == pytest.approx(list(logged.values()), rel=1e-6)


def test_warmups_shrink_with_the_epochs():
    assert scaled(IMAGENET["pc-darts"], "paper", epochs=50).warmup_epochs == 1
    assert scaled(IMAGENET["pc-darts"], "paper", epochs=50, warmup_epochs=7).warmup_epochs == 7
    for config in (*TRAINING.values(), *IMAGENET.values()):
        for preset in ("smoke", "laptop", "overnight", "gpu", "paper"):
            small_config = scaled(config, preset)
            assert all(rate > 0 for rate in rates(small_config, range(small_config.epochs)))


def test_unknown_schedule():
    with pytest.raises(ValueError, match=r"unknown schedule 'cosinus', did you mean 'cosine'\?; known: cosine, "):
        learning_rate(replace(SMALL, schedule="cosinus"), 0)


def test_drop_path_grows_linearly():
    config = TRAINING["pc-darts"]
    assert [drop_path_probability(config, e) for e in (0, 300, 599)] == pytest.approx([0, 0.15, 0.3 * 599 / 600])


# --- recipes --------------------------------------------------------------------------------------------------------


def test_recipes_say_what_the_papers_say():
    darts, pc, msr = TRAINING["darts"], TRAINING["pc-darts"], TRAINING["msr-darts"]
    assert (darts.epochs, darts.batch_size, darts.channels, darts.cells, darts.cutout) == (600, 96, 36, 20, 16)
    assert (pc.batch_size, pc.drop_path, msr.batch_size, msr.drop_path) == (128, 0.3, 96, 0.3)
    assert TRAINING["sharpdarts-plain"].policy is None
    assert {c.label_smoothing for name, c in IMAGENET.items() if name != "sharpdarts"} == {0.1}
    for config in (*TRAINING.values(), *IMAGENET.values()):
        Augment(crop_padding=config.crop_padding, cutout=config.cutout, policy=config.policy)  # known names


def test_recipes_for_imagenet_see_what_the_papers_show():
    seen = {(c.stem, c.crop, c.side, c.crop_padding) for c in IMAGENET.values()}
    assert seen == {("imagenet", "resized", 224, 0)}
    assert {
        name: (c.jitter, c.policy, c.cutout) for name, c in IMAGENET.items() if name != "sharpdarts"
    } == dict.fromkeys(("darts", "pc-darts", "msr-darts", "stacnas"), (0.4, None, 0))
    sharp = IMAGENET["sharpdarts"]
    assert (sharp.jitter, sharp.policy, sharp.cutout, sharp.clip) == (0.0, "autoaugment-imagenet", 112, None)


@pytest.mark.parametrize("name", IMAGENET)
def test_a_recipe_for_imagenet_trains_on_pictures_larger_than_what_it_sees(name):
    config = scaled(IMAGENET[name], "smoke", train_images=16, batch_size=8, side=64)
    state = prepare(SPACES["darts"], GENOTYPES["DARTS_V2"], tiny_data(size=72, n=16), config)
    (epoch,) = train(state)
    assert math.isfinite(epoch.train.loss) and math.isfinite(epoch.test.loss)
    assert accuracy_on(state).accuracy == epoch.test.accuracy
    with pytest.raises(ValueError, match="side=80, but the images have 72 x 72 pixels"):
        prepare(SPACES["darts"], GENOTYPES["DARTS_V2"], state.data, replace(config, side=80))


def test_a_folder_of_pictures_is_trained_on_by_the_recipe_for_imagenet(tmp_path):
    for part, n in (("train", 6), ("test", 2)):
        for label, colour in (("cat", "red"), ("dog", "green")):
            folder = tmp_path / "photos" / part / label
            folder.mkdir(parents=True)
            for i in range(n):
                Image.new("RGB", (80 + 7 * i, 120 - 5 * i), colour).save(folder / f"{i}.png")
    data, method = load("imagefolder", data_dir=tmp_path / "photos", image_size=72), METHODS["pc-darts"]
    config = scaled(recipe_of(method, "imagenet"), "smoke", side=64, batch_size=6, train_images=12)
    result = run_training(method.space, given_cell("PC_DARTS_image"), data, config, runs_dir=tmp_path / "runs")
    assert result.record["config"]["crop"] == "resized" and result.record["config"]["stem"] == "imagenet"
    assert "stem0" in " ".join(result.state().net.state_dict())


def test_recipes_and_cells_by_name():
    assert recipe_of(METHODS["pc-darts-imagenet"], "own") is IMAGENET["pc-darts"]
    assert recipe_of(METHODS["sharpsepconv-darts-max-w"], "imagenet") is IMAGENET["sharpdarts"]
    assert recipe_of(METHODS["darts-pt"], "imagenet") is IMAGENET["darts"]
    assert recipe_of(METHODS["msr-darts-published-code"], "imagenet") is IMAGENET["msr-darts"]
    with pytest.raises(ValueError, match="unknown recipe 'imagnet', did you mean 'imagenet'"):
        recipe_of(METHODS["darts-1st"], "imagnet")
    with pytest.raises(ValueError, match="hypercuboid has no network for ImageNet: take recipe='own'"):
        recipe_of(METHODS["hypercuboid"], "imagenet")
    genotype = GENOTYPES["DARTS_V2"]
    assert genotype == given_cell("DARTS_V2") == given_cell(genotype.notation()) == given_cell(genotype.to_json())
    with pytest.raises(ValueError, match="unknown cell 'DARTS_V3', did you mean 'DARTS_V2'"):
        given_cell("DARTS_V3")


@pytest.mark.parametrize("name", ["darts", "sharpdarts", "bench201"])
def test_a_recipe_trains_at_the_smallest_scale(name):
    config = scaled(TRAINING[name], "smoke", train_images=32, cells=1 if name == "bench201" else 3)
    space = SPACES["bench201" if name == "bench201" else "darts"]
    genotype = Genotype.from_notation(STRING) if name == "bench201" else GENOTYPES["DARTS_V2"]
    state = prepare(space, genotype, tiny_data(size=32, n=32), config)
    (epoch,) = train(state)
    assert math.isfinite(epoch.train.loss)


def test_no_clipping_where_a_recipe_has_none():
    clipped, free = small(clip=1e-9, epochs=1), small(clip=None, epochs=1)
    before = {id(s): [p.detach().clone() for p in s.net.parameters()] for s in (clipped, free)}
    moved = []
    for state in (clipped, free):
        state.config = replace(state.config, weight_decay=0.0)
        state.optimizer.param_groups[0]["weight_decay"] = 0.0
        list(train(state))
        moved.append(max((a - b).abs().max() for a, b in zip(before[id(state)], state.net.parameters(), strict=True)))
    assert moved[0] < 1e-6 < moved[1]


# --- what is reported -----------------------------------------------------------------------------------------------


def test_last_and_best_epoch_are_told_apart():
    rows = [{"epoch": i + 1, "valid_accuracy": a} for i, a in enumerate([50.0, 92.0, 92.0, 90.0])]
    assert reported(rows) == (10.0, 8.0, 2)


def test_clopper_pearson_of_the_paper():
    for correct, n, low, high in [
        (1800, 2000, 0.8860100257, 0.9128042164),
        (9807, 10000, 0.9778092454, 0.9833057638),
        (1860, 2000, 0.9179247019, 0.9407952340),
    ]:
        found = clopper_pearson(correct, n)
        assert found.accuracy == 100 * correct / n
        assert (found.low / 100, found.high / 100) == pytest.approx((low, high), abs=1e-9)
    assert clopper_pearson(1800, 2000).error() == "10.0 % [8.7, 11.4]"
    assert clopper_pearson(0, 10).low == 0
    assert clopper_pearson(10, 10).high == 100
    with pytest.raises(ValueError, match="11 of 10: correct answers must lie between 0"):
        clopper_pearson(11, 10)


def test_accuracy_on_another_split_leaves_the_network_alone():
    state = small(epochs=1)
    (epoch,) = train(state)
    state.net.train()
    before = {key: value.clone() for key, value in state.net.state_dict().items()}
    assert accuracy_on(state).accuracy == pytest.approx(epoch.test.accuracy)
    other = accuracy_on(state, state.data.train)
    assert other.n == 48
    assert other.low < other.accuracy < other.high or other.accuracy in (0, 100)
    assert state.net.training
    assert all(torch.equal(value, before[key]) for key, value in state.net.state_dict().items())


# --- memory -----------------------------------------------------------------------------------------------------------


def test_memory_grows_with_the_batch_and_the_network():
    few, more = (SPACES["darts"].supernet(channels=c, cells=3, classes=10) for c in (4, 8))
    weights = {g: torch.ones(SPACES["darts"].choices.shape(g)) for g in ("normal", "reduce")}
    small_need, large_need = (need(net, (3, 16, 16), weights) for net in (few, more))
    assert small_need.fixed == 12 * sum(p.numel() for p in few.parameters())
    assert 1.8 < large_need.per_image / small_need.per_image < 2.2
    assert small_need.of(20) - small_need.of(10) == 10 * small_need.per_image
    assert need(few, (3, 32, 32), weights).per_image == pytest.approx(4 * small_need.per_image, rel=0.05)


def test_memory_estimate_of_one_convolution_is_exact():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3, padding=1, bias=False), torch.nn.ReLU())
    found = need(net, (3, 8, 8))
    assert found.per_image == (3 + 5) * 64 * 4  # the input for the convolution, the output for the ReLU


def test_advice_fits_into_the_device():
    state = small(batch_size=1024)
    needed = need(state.net, state.data.image_size)
    told = advice(state, None, 2 * needed.of(100))
    batch_size = int(told.split("batch_size=")[-1].split()[0])
    assert 100 < batch_size < 200
    assert needed.of(batch_size) <= 2 * needed.of(100)
    assert "channels=2 would fit" in advice(state, None, needed.of(700))


def test_out_of_memory_in_a_training():
    state = small()

    def raises(state):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(MemoryError, match="batch_size=16 with channels=4 needs about"):
        next(train(state, on_step=raises))


def test_a_training_that_is_no_number_any_more():
    with pytest.raises(FloatingPointError, match="try a smaller lr or clip"):
        list(train(small(lr=1e30, clip=None)))
