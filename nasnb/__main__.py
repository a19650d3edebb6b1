"""The command line: run a chapter, make the book's chapters, list runs, compare two."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

from nasnb import chapters

MISTAKE = 2  # exit code for what the user can mend in the command itself


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 a chapter failed, 2 a mistake in the command, 128 + n ended by signal n."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except chapters.Stopped as stop:
        _tell(stop)
        return 128 + stop.number
    except (chapters.ChapterFailed, OSError) as error:
        _tell(error)
        return 1
    except ValueError as error:
        _tell(error)
        return MISTAKE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nasnb", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="execute one chapter", description="Execute one chapter with papermill.")
    run.add_argument("chapter", help="a notebook, or its name in the folder of notebooks, e.g. 01-darts")
    run.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE",
                     help="a value for the notebook's parameters cell; may be given many times")  # fmt: skip
    run.add_argument("--output", type=Path, help="the executed copy (default: build/NAME.ipynb)")
    run.add_argument("--dry-run", action="store_true", help="only estimate time and memory from a few steps")
    run.set_defaults(command=_run)

    book = commands.add_parser("book", help="execute the chapters that are out of date",
                               description="Execute every chapter whose copy is missing or out of date.")  # fmt: skip
    book.add_argument("--preset", help="smoke, laptop, gpu or paper (default: what the chapters say)")
    book.add_argument("--output", type=Path, default=Path("book/chapters"), help="default: book/chapters")
    book.set_defaults(command=_book)
    for command in (run, book):
        command.add_argument("--notebooks", type=Path, default=Path("notebooks"), help="default: notebooks")

    runs = commands.add_parser("runs", help="list the runs", description="List the runs of a folder.")
    runs.set_defaults(command=_runs)
    compare = commands.add_parser("compare", help="what differs between two runs",
                                  description="What differs between two runs.")  # fmt: skip
    compare.add_argument("a", help="a run's name, or enough of its beginning or end")
    compare.add_argument("b")
    compare.set_defaults(command=_compare)
    for command in (runs, compare):
        command.add_argument("--runs-dir", type=Path, default=Path("runs"), help="default: runs")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    path = chapters.find_chapter(arguments.chapter, arguments.notebooks)
    values = chapters.parse_parameters(arguments.parameter, chapters.parameters_of(path))
    if arguments.dry_run:
        print(chapters.estimate(path, values))
        return 0
    output = arguments.output or Path("build") / path.name
    if "LOCAL_RANK" in os.environ:  # one of several processes that torchrun started
        chapters.take_own_device(int(os.environ["LOCAL_RANK"]))
        if int(os.environ["RANK"]) > 0:
            with tempfile.TemporaryDirectory() as folder:
                chapters.execute(path, Path(folder) / path.name, values)
            return 0
    seconds = chapters.execute(path, output, values)
    print(f"{output}: executed in {seconds:.0f} s")
    return 0


def _book(arguments: argparse.Namespace) -> int:
    paths = sorted(arguments.notebooks.glob("[0-9]*.ipynb"))
    if not paths:
        raise ValueError(f"no chapters in {arguments.notebooks}: give the folder with --notebooks")
    preset = [f"preset={arguments.preset}"] if arguments.preset else []
    todo = [(path, chapters.parse_parameters(preset, chapters.parameters_of(path))) for path in paths]
    failed = 0
    for path, values in todo:
        output = arguments.output / path.name
        if chapters.is_current(path, output, values):
            print(f"{path.stem}: up to date")
            continue
        try:
            seconds = chapters.execute(path, output, values)
            print(f"{path.stem}: executed in {seconds:.0f} s", flush=True)
        except chapters.ChapterFailed as error:  # the other chapters are still worth having
            _tell(error)
            failed += 1
    return 1 if failed else 0


def _runs(arguments: argparse.Namespace) -> int:
    from nasnb.runs import find_runs

    with warnings.catch_warnings(record=True) as skipped:
        warnings.simplefilter("always")
        table = find_runs(arguments.runs_dir)
    for warning in skipped:
        _tell(warning.message)
    if table.empty:
        print(f"no runs in {arguments.runs_dir}")
        return 0
    print(_shown(table).to_string(index=False))
    for name, error in table.loc[table["error"].notna(), ["name", "error"]].itertuples(index=False):
        print(f"{name} failed: {error}")
    return 0


def _shown(table):
    from nasnb.runs.progress import duration

    def text(column: str, write) -> list[str]:
        return ["" if value != value else write(value) for value in table[column]]

    return table[["name", "state"]].assign(
        epochs=[f"{e:.0f}/{of:.0f}" if of == of else "" for e, of in zip(table["epoch"], table["epochs"], strict=True)],
        left=text("seconds_left", duration),
        accuracy=text("accuracy", lambda value: f"{value:.2f} %"),
        time=text("seconds", duration),
    )


def _compare(arguments: argparse.Namespace) -> int:
    from nasnb.runs import compare

    table = compare(arguments.a, arguments.b, runs_dir=arguments.runs_dir)
    for entry, *values in table.itertuples(index=False):
        print(entry)
        for name, value in zip((arguments.a, arguments.b), values, strict=True):
            print(f"    {name}: {_short(value)}")
    if table.empty:
        print("nothing differs")
    return 0


def _short(value: object) -> str:
    text = "-" if value is None or value != value else str(value)
    return text if len(text) <= 60 else f"{text[:60]} ..."


def _tell(message: object) -> None:
    print(f"nasnb: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
