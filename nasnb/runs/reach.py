"""Which statements of a code base a file can reach: by the names that its statements read, across imports.

Found without running anything. What is too much is harmless (a name that a local variable hides counts as the global
one, a class counts whole); what is named by a string alone is missed.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from nasnb.runs.files import checksum

DIGITS = 8
Dotted = tuple[str, ...]  # `a.b.c`, in parts
Found = tuple[str, int]  # a module or file, and one of its statements by its line


class CodeBase:
    """The Python files and notebooks below some folders, each read once; of equal names the first folder's counts."""

    def __init__(self, *roots: Path):
        self.roots = roots
        self._sources: dict[str, ParsedFile | None] = {}
        self._reads: dict[Found, list[Found]] = {}

    def reached(self, starts: Sequence[str]) -> dict[str, str]:
        """{module or file: digest of its statements that `starts` reach}; of the starts themselves all count.

        A start is a module, or a file by its path below a root. A digest tells statements apart, not comments,
        docstrings or layout. What is not here reaches nothing.
        """
        waiting = [(name, line) for name in starts for line in self._lines(name)]
        seen = set(waiting)
        while waiting:
            new = set(self._read_by(waiting.pop())) - seen
            seen |= new
            waiting += new
        lines: dict[str, list[int]] = {}
        for name, line in sorted(seen):
            lines.setdefault(name, []).append(line)
        return {name: self.source(name).digest(of) for name, of in lines.items()}

    def source(self, name: str) -> ParsedFile | None:
        """The file of this name, or module; None if there is none."""
        if name not in self._sources:
            path = next(filter(Path.is_file, (place for root in self.roots for place in _places(name, root))), None)
            self._sources[name] = None if path is None else ParsedFile(name, path)
        return self._sources[name]

    def _lines(self, name: str) -> list[int]:
        source = self.source(name)
        return [] if source is None else list(source.statements)

    def _read_by(self, at: Found) -> list[Found]:
        if at not in self._reads:
            source = self.source(at[0])
            found = [each for chain in _chains(source.statements[at[1]]) for each in self._named(source, chain)]
            self._reads[at] = found + [(source.name, line) for line in source.loose]
        return self._reads[at]

    def _named(self, source: ParsedFile, chain: Dotted) -> Iterator[Found]:
        """The statements that bind what `chain` means in this file; all of a module that is only handed on."""
        name, *rest = chain
        if name in source.bound:
            yield source.name, source.bound[name]
        elif name in source.imported:
            module, attribute = source.imported[name]
            yield from self._in_module(module, (*filter(None, [attribute]), *rest))
        else:
            yield from self._in_module(f"{source.name}.{name}", tuple(rest))

    def _in_module(self, module: str, chain: Dotted) -> Iterator[Found]:
        source = self.source(module)
        if source is not None and chain:
            yield from self._named(source, chain)
        elif source is not None:
            yield from ((module, line) for line in source.statements)


class ParsedFile:
    """A parsed file: its statements by line, which names they bind, and what the imported ones are elsewhere."""

    def __init__(self, name: str, path: Path):
        tree = ast.parse(_text(path))
        self.name = name
        self.statements = {node.lineno: node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)}
        self.bound = {id: line for line, node in self.statements.items() for id in _bound_by(node)}
        named = _imports(tree, name, is_package=path.name == "__init__.py")
        # `from package import module` within the package binds what is there without it
        self.imported = {id: origin for id, origin in named if origin != (name, id)} | dict(self._late())
        # a condition or a call at the top runs whenever anything of the file is used
        self.loose = [line for line, node in self.statements.items() if not list(_bound_by(node)) and not _says(node)]

    def _late(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """What a package imports when it is first used, by its table `_HOMES`."""
        table = getattr(self.statements.get(self.bound.get("_HOMES")), "value", None)
        for id, home in ast.literal_eval(table).items() if table else ():
            yield id, (f"{self.name}.{home}", id)

    def digest(self, lines: Sequence[int]) -> str:
        """Of these statements."""
        return checksum("\n".join(_bare(self.statements[line]) for line in lines).encode())[:DIGITS]


def _places(name: str, root: Path) -> list[Path]:
    if name.endswith((".py", ".ipynb")):
        return [root / name]
    base = root.joinpath(*name.split("."))
    return [base.with_suffix(".py"), base / "__init__.py"]


def _text(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return "\n".join(line for cell in cells for line in cell.splitlines() if not line.startswith(("%", "!")))


def _bound_by(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))


def _imports(tree: ast.Module, name: str, *, is_package: bool) -> Iterator[tuple[str, tuple[str, str | None]]]:
    """Each imported name with its module and what it is called there, those within functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                full = alias.name if alias.asname else alias.name.split(".")[0]
                yield alias.asname or full, (full, None)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".")
            above = parts[: len(parts) - node.level + is_package] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield from ((alias.asname or alias.name, (module, alias.name)) for alias in node.names)


def _chains(node: ast.AST) -> Iterator[Dotted]:
    """The names that are read, with the attributes that follow them: `a.b.c` once, not `a` and `a.b` too."""
    attributes: list[str] = []
    top = node
    while isinstance(top, ast.Attribute):
        attributes.insert(0, top.attr)
        top = top.value
    if isinstance(top, ast.Name):
        yield (top.id, *attributes)
    else:
        for child in ast.iter_child_nodes(top):
            yield from _chains(child)


def _says(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)  # a docstring


def _bare(statement: ast.stmt) -> str:
    """What a statement says, without docstrings."""
    for node in ast.walk(statement):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _says(part)]
    return ast.dump(statement)
