"""The examples in docstrings, run as they stand, of every name that the package offers at its top."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import nasnb

OTHERS = ("data.bench201", "report.claims", "spectral.norms")  # what is looked up most
HOMES = ("methods", "published.genotypes", "spaces.registry", "supernet.counts", "training")


@pytest.mark.parametrize("home", (*HOMES, *OTHERS))
def test_examples_say_what_they_give(home):
    found = doctest.testmod(import_module(f"nasnb.{home}"), verbose=False)
    assert found.attempted and not found.failed


def test_every_name_at_the_top_has_an_example():
    text = "".join(Path(import_module(f"nasnb.{home}").__file__).read_text(encoding="utf-8") for home in HOMES)
    for name in nasnb._HOMES:
        assert any(name in line for line in text.splitlines() if ">>>" in line), f"{name} has no runnable example"
