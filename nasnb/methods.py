"""Every paper as a composition of parts. A method is a value; ablations are `replace(method, part=...)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from nasnb.architecture import Genotype
from nasnb.config import IMAGENET, TRAINING, SearchConfig, TrainConfig, scaled
from nasnb.search.decisions import greedy, most_missed
from nasnb.search.disturb import uniform_noise
from nasnb.search.perturbation import Select, perturbation
from nasnb.search.phase import Hook
from nasnb.search.ranks import minimum_stable_rank, rank_weighted
from nasnb.search.selection import ScoreRule, logit, magnitude, softmax_weights
from nasnb.search.state import SearchState
from nasnb.search.steps import Step, bilevel, one_level, weights_only
from nasnb.spaces import SPACES, Space, msr_space, space
from nasnb.spaces.stacnas import Groups, groups_of, stage_two, winners, with_pool_norm
from nasnb.spectral import PUBLISHED_CODE
from nasnb.supernet.partial_channels import FullMix, PartialMix, full_mix, partial_channels
from nasnb.supernet.relaxation import Rule, edge_normalised, max_w, plain_sum, softmax, uniform

Then = Callable[["Method", dict[str, Any]], "Method"]  # from the scores of a stage to the method of the next


@dataclass(frozen=True)
class Method:
    """A search method: what competes, how it is mixed, weighed, trained and scored, and its paper's own numbers.

    >>> from nasnb import METHODS, Method
    >>> isinstance(METHODS["pc-darts"], Method), METHODS["pc-darts"].mix
    (True, PartialMix(k=4, select='first', mixing='shuffle'))
    >>> METHODS["pc-darts"].on("s2").space.name
    's2'
    """

    name: str
    space: Space
    step: Step
    relax: Rule = softmax
    mix: FullMix | PartialMix = full_mix
    score: ScoreRule = magnitude
    hook: Hook | None = None  # between the epochs of the search: decisions, refreshed weights
    select: Select | None = None  # a phase after the search that decides edge by edge
    then: Then | None = None  # a second stage, in the space that the first one's scores choose
    export: str = "last"  # the epoch whose architecture counts, a rule of `exported_epoch`
    config: SearchConfig = field(default_factory=SearchConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    imagenet: TrainConfig | None = IMAGENET["darts"]  # of the final network there; None: it has no such network
    final: Space | None = None  # whose operations the final network uses; None: those of the search

    def genotype(self, state: SearchState) -> Genotype:
        """The architecture that the state stands for now."""
        return state.method.space.discretise(self.score(state))

    def on(self, name: str) -> Method:
        """The method in another space: `METHODS["darts-pt"].on("s2")`. Raises ValueError for an unknown name.

        And for a space without groups of operations, of a method that has a second stage.
        """
        moved = replace(self, name=f"{self.name}-{name}", space=space(name), final=None)
        if self.then is not None:
            groups_of(moved.space)  # the second stage would refuse, after the first
        if name != "bench201":
            return moved
        config = replace(self.config, epochs=100, cells=5)  # DARTS-PT, its code; cells per stage
        return replace(moved, config=config, training=TRAINING["bench201"], imagenet=None)

    def at(self, preset: str, **changes: Any) -> SearchConfig:
        """The paper's config at the scale of a preset, then with single values changed.

        Where candidates see 1/k of the channels, a smaller network keeps k times the preset's.
        """
        config = scaled(self.config, preset, **changes)
        if changes.get("channels") is not None or config.channels >= self.config.channels:
            return config
        k = self.mix.k if isinstance(self.mix, PartialMix) else 1
        return replace(config, channels=min(self.config.channels, k * config.channels))


def best_groups(*, groups: Groups | None = None, singleton: str = "single") -> Then:
    """StacNAS, algorithm 1: on every edge the members of the group whose representative won, and none.

    `groups` are those of the method's space unless given.
    """

    def then(method: Method, scores: dict[str, Any]) -> Method:
        won = winners(method.space.choices, scores)
        return replace(method, space=stage_two(method.space, won, groups=groups, singleton=singleton), then=None)

    return then


DARTS, DARTS_NO_NONE = SPACES["darts"], SPACES["darts-no-none"]
_PC = SearchConfig(batch_size=256, lr=0.1, lr_min=0.0, alpha_lr=6e-4)
_PC_IMAGENET = replace(
    _PC,
    batch_size=1024,
    lr=0.5,
    alpha_lr=6e-3,
    weight_decay=3e-5,
    train_fraction=0.8,
    stem="imagenet",
    crop_padding=0,
    crop="resized",
    side=224,
)
_SHARP = {
    "config": SearchConfig(epochs=60, batch_size=32),
    "training": TRAINING["sharpdarts"],
    "imagenet": IMAGENET["sharpdarts"],
}
_HYPERCUBOID = SearchConfig(
    epochs=60,
    channels=32,
    lr_min=1e-4,
    schedule="cosine_power_code",
    power=2.0,
    warmup_epochs=5,
    cutout=16,
    policy="autoaugment",
)
_STACNAS = SearchConfig(epochs=80, cells=14, second_stage_cells=20, train_fraction=1.0, clip=3.0)
_MSR = SearchConfig(batch_size=128, train_fraction=0.8)

darts_1st = Method("darts-1st", DARTS, bilevel(order=1))
darts_2nd = Method("darts-2nd", DARTS, bilevel(order=2))
sdarts_rs = Method("sdarts-rs", DARTS, bilevel(disturb=uniform_noise()))
# alpha from the first epoch, as the code of SGAS; with bilevel(warmup=10), as the paper of DARTS-PT describes it, the
# first edge would be decided by an alpha that nothing has trained
sgas = Method("sgas", DARTS, bilevel(), hook=greedy())

sharpdarts = Method("sharpdarts", SPACES["sharp"], bilevel(), **_SHARP)
sharpsepconv_darts = replace(sharpdarts, name="sharpsepconv-darts", space=SPACES["darts-ssc"])
# the cell that DARTS finds, with other operations only in the final network
_darts_ssc = replace(
    darts_2nd,
    name="darts+ssc",
    final=SPACES["darts-ssc"],
    training=TRAINING["sharpdarts"],
    imagenet=IMAGENET["sharpdarts"],
)
_hypercuboid = Method(
    "hypercuboid",
    SPACES["hypercuboid"],
    bilevel(),
    score=softmax_weights,
    config=_HYPERCUBOID,
    training=TRAINING["hypercuboid"],
    imagenet=None,
)

pc_darts = Method(
    "pc-darts",
    DARTS,
    bilevel(warmup=15),
    relax=edge_normalised(softmax),
    mix=partial_channels(4),
    config=_PC,
    training=TRAINING["pc-darts"],
    imagenet=IMAGENET["pc-darts"],
)
pc_darts_imagenet = replace(
    pc_darts,
    name="pc-darts-imagenet",
    step=bilevel(warmup=35),
    mix=partial_channels(2),
    config=_PC_IMAGENET,
    training=IMAGENET["pc-darts"],
)

_stacnas = Method(
    "stacnas", SPACES["stacnas"], one_level(), then=best_groups(), config=_STACNAS, training=TRAINING["stacnas"]
)
stacnas_code = replace(
    _stacnas,
    name="stacnas-published-code",
    space=with_pool_norm(SPACES["stacnas"]),
    score=logit,
    then=best_groups(singleton="duplicate"),
)
# the two baselines of Table 5: all operations at once, 8 cells
stacnas_one_stage = replace(
    _stacnas,
    name="stacnas-one-stage",
    space=DARTS,
    then=None,
    config=replace(_STACNAS, cells=8, second_stage_cells=None),
)
stacnas_two_level = replace(
    stacnas_one_stage,
    name="stacnas-one-stage-two-level",
    step=bilevel(order=2),
    config=replace(stacnas_one_stage.config, train_fraction=0.5),
)

msr_darts = Method(
    "msr-darts",
    SPACES["msr"],
    weights_only(),
    relax=plain_sum,
    score=minimum_stable_rank(),
    export="38/50",
    config=_MSR,
    training=TRAINING["msr-darts"],
    imagenet=IMAGENET["msr-darts"],
)
msr_darts_code = replace(
    msr_darts,
    name="msr-darts-published-code",
    space=msr_space(PUBLISHED_CODE),
    hook=rank_weighted(),
    score=minimum_stable_rank(shape_rule="published_code"),
    training=replace(msr_darts.training, drop_path=0.2),
)

darts_pt = Method("darts-pt", DARTS_NO_NONE, bilevel(), select=perturbation())
darts_pt_fixed = replace(darts_pt, name="darts-pt-fixed-alpha", relax=uniform, step=weights_only())
darts_pt_mag = replace(darts_pt, name="darts-pt-mag", select=perturbation(criterion="magnitude", topology="magnitude"))
sdarts_rs_pt = replace(darts_pt, name="sdarts-rs-pt", step=sdarts_rs.step)
sgas_pt = replace(sgas, name="sgas-pt", hook=greedy(choose=most_missed()))


def _max_w(method: Method) -> Method:
    """With the weights of sharpDARTS, equation 3. The leader always weighs 1 there, so edges are ranked by softmax."""
    return replace(method, name=f"{method.name}-max-w", relax=max_w, score=softmax_weights)


_ALL = (
    darts_1st,
    darts_2nd,
    sdarts_rs,
    sgas,
    sharpdarts,
    _max_w(sharpdarts),
    sharpsepconv_darts,
    _max_w(sharpsepconv_darts),
    _darts_ssc,
    _hypercuboid,
    _max_w(_hypercuboid),
    pc_darts,
    pc_darts_imagenet,
    _stacnas,
    stacnas_code,
    stacnas_one_stage,
    stacnas_two_level,
    msr_darts,
    msr_darts_code,
    darts_pt,
    darts_pt_fixed,
    darts_pt_mag,
    sdarts_rs_pt,
    sgas_pt,
)

METHODS: dict[str, Method] = {method.name: method for method in _ALL}
