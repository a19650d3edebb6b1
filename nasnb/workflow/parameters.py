"""The parameters of a notebook: their kinds, the values that mean something, and how text becomes a value."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nasnb.config import SearchConfig, TrainConfig, nearest
from nasnb.workflow.meanings import check_meaning
from nasnb.workflow.notebook import read_notebook

WORDS = {
    "int": "an int",
    "float": "a number",
    "bool": "True or False",
    "str": "a text",
    "list": "a list such as [0, 1]",
}
# of a parameter whose default is None and that has no annotation
CONFIG_KINDS = {field.name: field.type for config in (SearchConfig, TrainConfig) for field in fields(config)}


@dataclass(frozen=True)
class Parameter:
    """A name of the parameters cell: its default, and the kind of value that it takes ("" for any).

    A kind is int, float, bool, str, list, or list[...] of one of them, with `| None` where None is a value too.
    """

    default: Any
    kind: str

    @property
    def is_optional(self) -> bool:
        """Whether None is a value."""
        return self.default is None or "None" in self.kind

    def parse(self, name: str, text: str) -> Any:
        """The value of `name=text` on a command line. Raises ValueError saying what was expected."""
        kind = self._bare()
        if text == "None" and self.is_optional:
            return None
        if kind == "str":
            return self.take(name, text)
        is_list = kind.startswith("list") or (not kind and text[:1] in ("[", "("))
        return self.take(name, _list(text) if is_list else _plain(text), shown=text)

    def take(self, name: str, value: Any, *, shown: Any = None) -> Any:
        """A value as a sweep file holds it, made the parameter's kind. Raises ValueError saying what was expected."""
        if value is None and self.is_optional:
            return None
        kind, shown = self._bare(), value if shown is None else shown
        if isinstance(value, str) and kind in ("int", "float", "bool"):  # YAML reads 1e-3 as a text
            value = _plain(value)
        try:
            taken = _fitted(value, kind)
        except ValueError as error:
            raise ValueError(f"{name} must be {self._expected(kind)}, got {shown!r}{error}") from None
        check_meaning(name, taken)
        return taken

    def _bare(self) -> str:
        return self.kind.replace("| None", "").strip()

    def _expected(self, kind: str) -> str:
        return WORDS.get(kind.partition("[")[0], kind or "a plain value") + " or None" * self.is_optional


def _fitted(value: Any, kind: str) -> Any:
    """`value` as `kind`, or a ValueError whose text says more than its being another kind, if there is more to say."""
    name, _, item = kind.rstrip("]").partition("[")
    if name == "list":
        if not isinstance(value, list | tuple):
            raise ValueError("")
        return [_fitted(each, item) for each in value]
    if name == "str" or (not name and isinstance(value, str)):
        return _text(value)
    if name in ("int", "float") and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError("")
    if (name == "int" and isinstance(value, float)) or (name == "bool" and not isinstance(value, bool)):
        raise ValueError("")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(", which is no finite number")
    if not name and not isinstance(value, str | int | float | list | None):
        raise ValueError("")
    return float(value) if name == "float" else value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        quoted = isinstance(value, bool | int | float)
        raise ValueError(": put it in quotes" if quoted else "")
    if not value or not value.isprintable():
        raise ValueError(", which is empty" if not value else ", which has a character that cannot be printed")
    return value


def _plain(text: str) -> Any:
    """As papermill reads a value: None, True, False, an int, a float, or else the text."""
    if text in ("None", "True", "False"):
        return ast.literal_eval(text)
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _list(text: str) -> Any:
    """`[1, 2]`, `1, 2` and `1` are lists."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return [_plain(item.strip()) for item in text.strip("[]()").split(",")]
    return list(value) if isinstance(value, list | tuple) else [value]


# --- the parameters cell ----------------------------------------------------------------------------------------------


def parameters_of(path: Path) -> dict[str, Parameter]:
    """The names in the cell tagged `parameters`. Raises ValueError if there is none or it holds more than values."""
    cells = [cell for cell in read_notebook(path).cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1 or cells[0].cell_type != "code":
        raise ValueError(f"{path} has {'no' if not cells else 'more than one'} code cell tagged 'parameters'")
    try:
        statements = ast.parse(cells[0].source, type_comments=True).body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}, parameters cell: it is no Python ({error})") from None
    found: dict[str, Parameter] = {}
    for statement in statements:
        name, parameter = _parameter(statement, path)
        if name in found:
            raise ValueError(f"{path}, parameters cell: {name!r} is there twice")
        found[name] = parameter
    return found


def _parameter(statement: ast.stmt, path: Path) -> tuple[str, Parameter]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    is_one = (
        isinstance(statement, ast.Assign | ast.AnnAssign) and len(targets) == 1 and isinstance(targets[0], ast.Name)
    )
    try:
        if not is_one:
            raise ValueError
        default = ast.literal_eval(statement.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ValueError(f"{path}, parameters cell: {ast.unparse(statement)!r} is no name with a plain value") from None
    return targets[0].id, Parameter(default, _told_kind(statement) or _kind(targets[0].id, default))


def _told_kind(statement: ast.Assign | ast.AnnAssign) -> str:
    """Of an annotation, or of a comment `# type: int|None and more words`, which is all that papermill understands."""
    if isinstance(statement, ast.AnnAssign):
        return ast.unparse(statement.annotation)
    return (statement.type_comment or "").partition(" ")[0].replace("|None", " | None")


def _kind(name: str, default: Any) -> str:
    if default is None:
        return CONFIG_KINDS.get(name, "")
    if isinstance(default, list | tuple):
        kinds = {type(item).__name__ for item in default}
        return f"list[{kinds.pop()}]" if len(kinds) == 1 else "list"
    return type(default).__name__


def parse_parameters(assignments: Iterable[str], known: Mapping[str, Parameter]) -> dict[str, Any]:
    """Values of `name=text` pairs. Raises ValueError for an unknown name, one given twice, a value of no meaning."""
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"-p {assignment}: expected name=value")
        if name not in known:
            raise ValueError(f"unknown parameter {name!r}{nearest(name, known)}; parameters: {', '.join(known)}")
        value = known[name].parse(name, text)
        if values.setdefault(name, value) != value:
            raise ValueError(f"-p {name} is given twice: {values[name]!r} and {value!r}; keep one")
    return values
