"""The command line: run chapters and sweeps, make the book, list and compare runs, tell claims, check kept results."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path

from nasnb.config import PRESETS

MISTAKE = 2  # exit code for what the user can mend in the command itself


def main(argv: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 a chapter failed, 2 a mistake in the command, 128 + n ended by signal n."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest:
        hint = f"; a parameter is given with -p {rest[0]}" if "=" in rest[0] else ""
        parser.error(f"unrecognized arguments: {rest[0]}{hint}")
    from nasnb.workflow import execute  # here and below as late as can be: --help shall not wait for torch

    try:
        return arguments.command(arguments)
    except execute.Stopped as stop:
        _tell(stop)
        return 128 + stop.number
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (FileNotFoundError, ValueError) as error:
        _tell(error)
        return MISTAKE
    except (execute.ChapterFailed, OSError) as error:
        _tell(error)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nasnb", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="execute one chapter", description="Execute one chapter with papermill.")
    run.add_argument("chapter", nargs="?", default="", help="a notebook, or its name, e.g. 01-darts")
    run.add_argument("--output", type=Path, help="the executed copy (default: build/NAME-VALUES.ipynb)")
    run.add_argument("--dry-run", action="store_true", help="only tell data, searches, trainings and their price")
    run.set_defaults(command=_run)

    book = commands.add_parser(
        "book",
        help="execute the chapters that are out of date",
        description="Execute every chapter whose copy is missing or out of date.",
    )
    book.add_argument("--preset", help="smoke, laptop, overnight, gpu or paper (default: what the chapters say)")
    book.add_argument("--workers", type=int, help="chapters at a time (default: one per core, one on a graphics card)")
    book.add_argument("--output", type=Path, default=Path("book/chapters"), help="default: book/chapters")
    book.add_argument("--dry-run", action="store_true", help="only tell what all of them together will cost")
    book.set_defaults(command=_book)
    for command in (run, book):
        command.add_argument("--notebooks", type=Path, default=Path("notebooks"), help="default: notebooks")

    sweep = commands.add_parser("sweep", help="run the rows of a sweep", description="Run what is missing of a sweep.")
    sweep.add_argument("--workers", type=int, default=1, help="rows at a time (default: 1)")
    sweep.add_argument("--dry-run", action="store_true", help="only list the rows, and tell what they will cost")
    sweep.add_argument("--plan", action="store_true", help="only list the rows, as JSON, for workflow engines")
    sweep.set_defaults(command=_sweep)
    row = commands.add_parser("row", help="run one row of a sweep", description="Run one row of a sweep.")
    for command in (run, sweep, row):
        words = {
            "metavar": "NAME=VALUE",
            "help": "a parameter's value, in all rows of a sweep; may be given many times",
        }
        command.add_argument("-p", "--parameter", action="append", default=[], **words)
    for command in (run, sweep):
        command.add_argument("--unpriced", action="store_true", help="start at once, without telling the price first")
    for command in (run, row):
        command.add_argument("--tied", action="store_true", help="stop when standard input ends")
    row.set_defaults(command=_row)
    for command in (sweep, row):
        may_lack = "?" if command is sweep else None
        command.add_argument("sweep", nargs=may_lack, default="", help="a YAML file, or its name in notebooks/sweeps")
        command.add_argument("--preset", choices=list(PRESETS), help="short for -p preset=...")
        command.add_argument("--notebooks", type=Path, default=Path("notebooks"), help="default: notebooks")
    row.add_argument("row", help="its name, as `nasnb sweep --dry-run` lists it")

    runs = commands.add_parser("runs", help="list the runs", description="List the runs of a folder.")
    runs.set_defaults(command=_runs)
    compare = commands.add_parser("compare", help="what differs between two runs")
    compare.add_argument("a", help="a run's name, or enough of its beginning or end")
    compare.add_argument("b")
    compare.set_defaults(command=_compare)
    gather = commands.add_parser(
        "gather", help="mean, spread and best over seeds", description="Searches and their retrainings over seeds."
    )
    gather.add_argument("--csv", type=Path, help="also write the table to this file")
    gather.set_defaults(command=_gather)
    told = commands.add_parser("claims", help="what is known of every claim", description="All claims, or one.")
    told.add_argument("id", nargs="?", help="one claim in full, with its seeds, e.g. pc-darts/partial-lowers-error")
    told.add_argument("--paper", help="only claims of this paper")
    told.add_argument("--verdict", help="only claims with this verdict")
    told.add_argument("--figures", type=Path, default=Path("figures"), help="kept evidence (default: figures)")
    told.set_defaults(command=_claims)
    keeping = commands.add_parser("keep", help="which kept results are older than their code")
    keeping.add_argument("--check", action="store_true", required=True, help="exit with 1 if one is older")
    keeping.add_argument("--figures", type=Path, default=Path("figures"), help="kept results (default: figures)")
    keeping.set_defaults(command=_keep)
    for command in (runs, gather):
        command.add_argument("--method", help="only of this method, e.g. pc-darts")
        command.add_argument("--preset", choices=list(PRESETS), help="only what notebooks at this preset began")
        command.add_argument("--sweep", help="only what the rows of this sweep computed or loaded")
        command.add_argument("--dataset", help="only on this data set, e.g. cifar10, at any size of images")
    for command in (runs, compare, gather):
        command.add_argument("--runs-dir", type=Path, default=Path("runs"), help="default: runs")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from nasnb.workflow import ahead, copies, execute, notebook, parameters

    path = notebook.find_chapter(arguments.chapter, arguments.notebooks)
    values = parameters.parse_parameters(arguments.parameter, parameters.parameters_of(path))
    output = copies.output_of(path, values, arguments.output)
    ahead.look_for_data([(path, values)])
    if arguments.dry_run or not (arguments.tied or arguments.unpriced or "LOCAL_RANK" in os.environ):
        _say(f"{path.stem}\n{ahead.price([(path, values)])}")
    if arguments.dry_run:
        return 0
    if arguments.tied:
        from nasnb.workflow.pool import stop_with_parent

        stop_with_parent()
    if "LOCAL_RANK" in os.environ and execute.take_own_device() > 0:  # one of several processes that torchrun started
        with tempfile.TemporaryDirectory() as folder:
            execute.execute(path, Path(folder) / path.name, values)
        return 0
    seconds = execute.execute(path, output, values)
    print(f"{output}: executed in {seconds:.0f} s")
    return 0


def _book(arguments: argparse.Namespace) -> int:
    from nasnb.workflow import ahead, book, copies, parameters

    paths = sorted(arguments.notebooks.glob("[0-9]*.ipynb"))
    if not paths:
        raise ValueError(f"no chapters in {arguments.notebooks}: give the folder with --notebooks")
    if arguments.workers is not None and arguments.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {arguments.workers}")
    preset = [f"preset={arguments.preset}"] if arguments.preset else []
    values = [parameters.parse_parameters(preset, parameters.parameters_of(path)) for path in paths]
    pages = [book.Page(path, arguments.output / path.name, given) for path, given in zip(paths, values, strict=True)]
    for page in pages:
        copies.check_replaceable(page.notebook, page.output)
    left = [(page.notebook, page.values) for page in pages if not page.is_finished()]
    ahead.look_for_data(left)
    if arguments.dry_run:
        price = ahead.price(left) if left else "price: nothing to compute"
        _say(f"{len(pages)} chapters, {len(pages) - len(left)} of them up to date\n{price}")
        return 0
    failed = book.make(pages, workers=arguments.workers, tell=_say)
    for page in failed:
        _tell(book.last_words(page))
    return 1 if failed else 0


def _read_sweep(arguments: argparse.Namespace):
    from nasnb.workflow.sweep_file import read_sweep

    path = Path(arguments.sweep)
    if not path.suffix:
        path = arguments.notebooks / "sweeps" / f"{arguments.sweep}.yaml"
    preset = [f"preset={arguments.preset}"] if arguments.preset else []
    return read_sweep(path, notebooks=arguments.notebooks, assignments=[*preset, *arguments.parameter])


def _sweep(arguments: argparse.Namespace) -> int:
    from nasnb.workflow import ahead, pool, row

    sweep = _read_sweep(arguments)
    left = [each for each in sweep.rows if not each.is_finished()]
    if not arguments.plan:
        _say(f"{sweep.title}: {len(sweep.rows)} rows, {len(sweep.rows) - len(left)} of them finished{sweep.merging}")
    if arguments.dry_run:
        for each in sweep.rows:
            print(f"{each.name}: {'to do' if each in left else 'finished'}, {each.notebook.stem} {each.values}")
    ahead.look_for_data([(each.notebook, each.values) for each in left])
    if arguments.plan:
        print(row.plan_as_json(sweep))
        return 0
    if arguments.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {arguments.workers}")
    if left and (arguments.dry_run or not arguments.unpriced):
        _say(ahead.price([(each.notebook, each.values) for each in left]))
    if arguments.dry_run:
        return 0
    options = ["--notebooks", str(arguments.notebooks), "--tied"]
    options += [f"--preset={arguments.preset}"] * bool(arguments.preset)
    options += [f"--parameter={assignment}" for assignment in arguments.parameter]
    command = [sys.executable, "-m", "nasnb", "row", *options, arguments.sweep]
    failed = pool.run_all(sweep.rows, command, workers=arguments.workers, tell=_say)
    for each in failed:
        _tell(f"{each.name}: {row.last_error(each)}")
    return 1 if failed else 0


def _row(arguments: argparse.Namespace) -> int:
    from nasnb.config import nearest
    from nasnb.workflow import ahead, row
    from nasnb.workflow.pool import stop_with_parent

    rows = {each.name: each for each in _read_sweep(arguments).rows}
    if arguments.row not in rows:
        raise ValueError(
            f"{arguments.sweep} has no row {arguments.row!r}{nearest(arguments.row, rows)}; if the "
            "notebook or the version changed since it was planned, plan again"
        )
    if arguments.tied:
        stop_with_parent()
    wanted = rows[arguments.row]
    if not wanted.is_finished():
        ahead.look_for_data([(wanted.notebook, wanted.values)])
    row.run_row(wanted)
    return 0


def _gather(arguments: argparse.Namespace) -> int:
    from nasnb.runs import gather
    from nasnb.workflow.terminal import kept_lines, telling

    read = partial(gather, sweep=arguments.sweep, preset=arguments.preset)
    table = kept_lines(telling(read, arguments.runs_dir, _tell), method=arguments.method, dataset=arguments.dataset)
    if table.empty:
        print(f"no finished searches or trainings in {arguments.runs_dir}")
        return 0
    if arguments.csv:
        table.to_csv(arguments.csv, index=False)
    print(table.to_string(index=False, na_rep="", float_format="{:.2f}".format))
    return 0


def _claims(arguments: argparse.Namespace) -> int:
    from nasnb.report import overview

    if arguments.id is not None:
        print(overview.in_full(arguments.id, figures_dir=arguments.figures))
    else:
        answers = overview.all_answers(figures_dir=arguments.figures)
        print(overview.in_lines(overview.chosen(answers, paper=arguments.paper, verdict=arguments.verdict)))
    return 0


def _keep(arguments: argparse.Namespace) -> int:
    from nasnb.workflow.terminal import freshness

    lines, is_old = freshness(arguments.figures)
    print(lines)
    return int(is_old)


def _runs(arguments: argparse.Namespace) -> int:
    from nasnb.runs import find_runs
    from nasnb.workflow.row import failures
    from nasnb.workflow.terminal import kept_lines, runs_shown, telling

    found = telling(partial(find_runs, sweep=arguments.sweep), arguments.runs_dir, _tell)
    table = kept_lines(found, method=arguments.method, dataset=arguments.dataset, preset=arguments.preset)
    failed = telling(failures, arguments.runs_dir, _tell)
    if table.empty:
        print(f"no runs in {arguments.runs_dir}")
    else:
        print(runs_shown(table).to_string(index=False))
    for name, error in table.loc[table["error"].notna(), ["name", "error"]].itertuples(index=False):
        print(f"{name} failed: {error}")
    for name, error in failed:
        print(f"{name} failed: {error}")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from nasnb.runs import compare
    from nasnb.workflow.terminal import differences_shown

    table = compare(arguments.a, arguments.b, runs_dir=arguments.runs_dir)
    print(differences_shown(table, (arguments.a, arguments.b)))
    return 0


def _say(message: str) -> None:
    print(message, flush=True)


def _tell(message: object) -> None:
    print(f"nasnb: {message}", file=sys.stderr, flush=True)
