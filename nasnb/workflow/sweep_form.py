"""The form of a sweep file: strict YAML, known entries of the right shape, steps with what they share."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from nasnb.config import nearest
from nasnb.runs.files import check_name
from nasnb.workflow.job import Job

SWEEP_KEYS = ("title", "notebook", "steps", "parameters", "grid", "rows", "seeds", "job")
STEP_KEYS = ("name", "notebook", "parameters", "grid", "rows", "seeds", "job")
SHAPES = {
    "parameters": dict,
    "grid": dict,
    "job": dict,
    "rows": list,
    "steps": list,
    "title": str,
    "notebook": str,
    "name": str,
}
SHAPE_WORDS = {dict: "a mapping", list: "a list", str: "a text"}


class _Strict(yaml.SafeLoader):
    """YAML takes the last of two equal entries without a word; here that is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ValueError(f"line {key_node.start_mark.line + 1}: {key!r} is no name; put it in quotes")
            if key in lines:
                where = f"lines {lines[key]} and {key_node.start_mark.line + 1}"
                raise ValueError(f"{key!r} is there twice in one place ({where}): keep one")
            lines[key] = key_node.start_mark.line + 1
        content = super().construct_mapping(node, deep=deep)
        if {"name", "notebook"} <= content.keys():  # a step, whose name becomes part of its rows' folders
            check_name(f"line {lines['name']}: the step's name", content["name"])
        return content


def read_yaml(path: Path) -> Any:
    """What a file says, as plain values. Raises ValueError for what is no YAML, and for an entry given twice."""
    try:
        return yaml.load(path.read_text("utf-8"), Loader=_Strict)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("it is nested too deeply, or contains itself") from None


def steps_of(content: Any) -> Iterator[dict[str, Any]]:
    """Each step's own entries; `shared` are the parameters of the whole file."""
    _check_entries(content, SWEEP_KEYS, "")
    if ("steps" in content) == ("notebook" in content):
        raise ValueError("give either 'notebook' or 'steps'")
    if "steps" not in content:
        yield {"name": "", "job": {}, "shared": {}, **content}
        return
    for entry in ("rows", "seeds"):
        if entry in content:
            raise ValueError(f"{entry!r} belongs to a step")
    names = set()
    for number, step in enumerate(content["steps"], 1):
        _check_entries(step, STEP_KEYS, f"step {number}: ")
        if "notebook" not in step or "name" not in step:
            raise ValueError(f"step {number} needs 'name' and 'notebook'")
        if step["name"] in names:
            raise ValueError(f"step {number}: there is another step {step['name']!r}; give each a name of its own")
        names.add(step["name"])
        job = {**content.get("job", {}), **step.get("job", {})}
        yield {**step, "shared": content.get("parameters", {}), "job": job}


def _check_entries(content: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{where}expected entries such as 'notebook: 01-darts', got {content!r}")
    for entry, value in content.items():
        if entry not in known:
            raise ValueError(f"{where}unknown entry {entry!r}{nearest(entry, known)}; entries: {', '.join(known)}")
        if entry in SHAPES and not isinstance(value, SHAPES[entry]):
            raise ValueError(f"{where}{entry} must be {SHAPE_WORDS[SHAPES[entry]]}, got {value!r}")
        if entry in ("rows", "steps") and not value:
            raise ValueError(f"{where}{entry} is empty: leave it out, or say what is to be run")
    for name, values in content.get("grid", {}).items():
        _check_list(values, f"{where}grid: {name}")
    for row in content.get("rows", []):
        if not isinstance(row, dict) or not row:
            raise ValueError(f"{where}rows: each must be a mapping such as {{seed: 1}}, got {row!r}")
    if "seeds" in content:
        _check_seeds(content["seeds"], where)
    _check_job(content.get("job", {}), where)


def _check_list(values: Any, what: str) -> None:
    if not isinstance(values, list) or not values:
        raise ValueError(f"{what} must be a list of values, got {values!r}")
    for number, value in enumerate(values):
        if any(repr(value) == repr(other) for other in values[:number]):
            raise ValueError(f"{what} has {value!r} twice")


def _check_seeds(seeds: Any, where: str) -> None:
    if isinstance(seeds, list):
        _check_list(seeds, f"{where}seeds")
    elif isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise ValueError(f"{where}seeds must be a number of at least 1 (4: seeds 0 to 3) or a list, got {seeds!r}")


def _check_job(job: Mapping[str, Any], where: str) -> None:
    names = [field.name for field in fields(Job)]
    for name, value in job.items():
        if name not in names:
            raise ValueError(f"{where}job: unknown entry {name!r}{nearest(name, names)}; entries: {', '.join(names)}")
        if isinstance(value, bool) or not isinstance(value, int) or value < (name != "gpus"):
            raise ValueError(f"{where}job: {name} must be a positive int, got {value!r}")
