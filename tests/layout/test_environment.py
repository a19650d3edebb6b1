"""The four files that name versions tell one story: pyproject.toml, requirements.txt, environment.yml, Makefile."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED_EXTRAS = ("book", "test")
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())


def requirement_lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


def ranges() -> list[Requirement]:
    optional = PROJECT["optional-dependencies"]
    lines = PROJECT["dependencies"] + [line for extra in PINNED_EXTRAS for line in optional[extra]]
    return [Requirement(line) for line in lines]


PINS = [Requirement(line) for line in requirement_lines((ROOT / "requirements.txt").read_text())]


def pinned_versions(name: str) -> list[Version]:
    wanted = canonicalize_name(name)
    return [Version(spec.version) for pin in PINS if canonicalize_name(pin.name) == wanted for spec in pin.specifier]


def test_every_pin_is_one_exact_version():
    for pin in PINS:
        assert [spec.operator for spec in pin.specifier] == ["=="], str(pin)
        assert not pin.url and not pin.extras and "*" not in str(pin.specifier), str(pin)


@pytest.mark.parametrize("requirement", ranges(), ids=str)
def test_every_range_holds_its_pin(requirement):
    versions = pinned_versions(requirement.name)
    assert versions, f"{requirement.name} is in pyproject.toml but not in requirements.txt: renew requirements.txt"
    assert all(version in requirement.specifier for version in versions)


def test_the_clusters_own_environment_fits_its_ranges():
    lines = requirement_lines((ROOT / "requirements-cluster.txt").read_text())
    pins = {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}
    for line in PROJECT["optional-dependencies"]["cluster"]:
        requirement = Requirement(line)
        (pinned,) = pins[canonicalize_name(requirement.name)].specifier
        assert pinned.operator == "==" and pinned.version in requirement.specifier, line


def test_a_package_is_pinned_twice_only_for_different_pythons():
    seen: dict[str, list[Requirement]] = {}
    for pin in PINS:
        seen.setdefault(canonicalize_name(pin.name), []).append(pin)
    for name, pins in seen.items():
        for minor in ("3.11.2", "3.12.1", "3.13.0"):
            here = {"python_full_version": minor, "python_version": minor.rpartition(".")[0]}
            active = [pin for pin in pins if pin.marker is None or pin.marker.evaluate(here)]
            assert len(active) <= 1, f"{name} has {len(active)} pins on Python {minor}"


def test_packages_for_graphics_cards_are_pinned_for_linux_only():
    for pin in PINS:
        if pin.name.startswith(("nvidia-", "cuda-")) or pin.name == "triton":
            assert isinstance(pin.marker, Marker) and not pin.marker.evaluate({"sys_platform": "darwin"}), str(pin)


def test_torch_range_leaves_out_the_release_that_breaks_torchvision():
    torch = next(requirement for requirement in ranges() if requirement.name == "torch")
    assert Version("2.11.0") in torch.specifier
    assert Version("2.13.0") not in torch.specifier
    assert Version("2.10.0") not in torch.specifier


def test_environment_yml_takes_python_from_conda_and_all_else_from_requirements():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = {Requirement(line).name: Requirement(line) for line in environment["dependencies"] if isinstance(line, str)}
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert set(conda) == {"python", "pip"}
    assert str(conda["python"].specifier) == PROJECT["requires-python"]
    assert pip == ["-r requirements.txt", "-e ."]


def test_makefile_checks_the_python_that_pyproject_asks_for():
    (major, minor) = re.search(r"sys\.version_info < \((\d+), (\d+)\)", (ROOT / "Makefile").read_text()).groups()
    assert PROJECT["requires-python"] == f">={major}.{minor}"


def test_licence_and_version_are_the_same_everywhere():
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    assert PROJECT["license"] == CITATION["license"] == "Apache-2.0"
    assert PROJECT["version"] == CITATION["version"]
