"""A convolution as the linear operator that it is: spectral norm, stable rank, noise sensitivity (MSR-DARTS)."""

from nasnb.spectral.normalise import PUBLISHED_CODE, SpectralNormalised, SpectralRule, start_norms
from nasnb.spectral.norms import (
    Estimate,
    estimate_ratios,
    group_norms,
    noise_sensitivity,
    power_iteration,
    sampled_noise_sensitivity,
    spectral_norm,
    stable_rank,
    stacked_norms,
    stacked_stable_ranks,
)
from nasnb.spectral.operator import ConvOperator, circular_singular_values, frobenius_norm, operator_of, undilated

__all__ = [
    "PUBLISHED_CODE",
    "ConvOperator",
    "Estimate",
    "SpectralNormalised",
    "SpectralRule",
    "circular_singular_values",
    "estimate_ratios",
    "frobenius_norm",
    "group_norms",
    "noise_sensitivity",
    "operator_of",
    "power_iteration",
    "sampled_noise_sensitivity",
    "spectral_norm",
    "stable_rank",
    "stacked_norms",
    "stacked_stable_ranks",
    "start_norms",
    "undilated",
]
