"""Spaces that give DARTS' cells other candidates: RobustDARTS' S1 to S4, and MSR-DARTS with its normalised ones."""

from __future__ import annotations

from nasnb.architecture import SHORT_NAMES
from nasnb.spaces.cells import CellSpace, every_edge
from nasnb.spectral import SpectralNormalised, SpectralRule, start_norms
from nasnb.supernet.layers import StackedConv
from nasnb.supernet.network import Network
from nasnb.supernet.operations import DARTS_OPS, Builder

_LONG = {short: long for long, short in SHORT_NAMES.items()}


def _per_edge(rows: str) -> tuple[tuple[str, ...], ...]:
    """The candidates of every edge, in short names: `sk d3, sk d5, ...`."""
    return tuple(tuple(_LONG[name] for name in row.split()) for row in rows.split(","))


# the two best candidates of every edge of an earlier search, which is why the edges differ (RobustDARTS, appendix)
s1 = CellSpace(
    "s1",
    {
        "normal": _per_edge(
            "sk d3, sk d5, sk d5, sk s3, sk d3, mp sk, sk s3, sk s3, sk d3, sk s3, mp sk, sk d3, d3 d5, d3 d5"
        ),
        "reduce": _per_edge(
            "mp ap, mp d3, mp ap, mp ap, sk d5, mp ap, mp s3, sk d3, sk d5, mp ap, mp ap, sk d5, sk d5, sk d5"
        ),
    },
    DARTS_OPS,
)
s2 = CellSpace("s2", every_edge(("skip_connect", "sep_conv_3x3")), DARTS_OPS)
s3 = CellSpace("s3", every_edge(("none", "skip_connect", "sep_conv_3x3")), DARTS_OPS)
s4 = CellSpace("s4", every_edge(("noise", "sep_conv_3x3")), DARTS_OPS)

MSR_NAMES = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")


def msr_space(rule: SpectralRule = SpectralRule()) -> CellSpace:
    """The space of MSR-DARTS: every convolution of a candidate has spectral norm 1 while searching (section 3.3)."""
    ops = {name: DARTS_OPS[name] for name in MSR_NAMES}
    search_ops = {name: normalised(op, rule) for name, op in ops.items()}
    return CellSpace("msr", every_edge(MSR_NAMES), ops, search_ops, before_forward=_normalise_together)


def normalised(build: Builder, rule: SpectralRule = SpectralRule()) -> Builder:
    """The operation with all its convolutions rescaled by `rule`, each on its own."""

    def built(*, channels: int, stride: int, edges: int, affine: bool):
        op = build(channels=channels, stride=stride, edges=edges, affine=affine)
        for conv in [module for module in op.modules() if isinstance(module, StackedConv)]:
            groups = 1 if conv.shared_input else conv.edges * conv.groups
            conv.reparametrise = SpectralNormalised(
                conv.edges, groups, rule, stride=conv.stride, padding=conv.padding, dilation=conv.dilation
            )
        return op

    return built


def _normalise_together(net: Network) -> None:
    """All convolutions of a network in few calls; without it each would see to itself."""
    convs = [module for module in net.modules() if isinstance(module, StackedConv)]
    start_norms((conv.reparametrise, conv.weight) for conv in convs if conv.reparametrise is not None)


msr = msr_space()
