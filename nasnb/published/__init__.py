"""What the papers published: their numbers, their genotypes, and where they contradict each other or themselves."""

from nasnb.published.genotypes import GENOTYPES
from nasnb.published.numbers import contradictions, published, published_value, retests

__all__ = ["GENOTYPES", "contradictions", "published", "published_value", "retests"]
