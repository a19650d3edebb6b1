"""Renews what stands outside the book and is computed: README's first screen, CITATION.cff, codecheck.yml.

python book/make_front.py

`make book` runs it. The numbers come from `figures/*/claims.csv` and `figures/bench/chapters.csv`, the version from
pyproject.toml, and the repository's address from one place: `repository: url:` in _config.yml.
"""

import json
import re
import tomllib
from pathlib import Path

import pandas as pd
import yaml

from nasnb.plots.forest import plot_forest
from nasnb.plots.style import svg, use_style
from nasnb.report.answers import Answer
from nasnb.report.highlights import forest_rows, highlights, how_many_hold, in_one_line
from nasnb.report.overview import all_answers
from nasnb.runs.files import write_whole

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "figures"
PICTURE = "book/_static/findings.svg"
BLOCK = re.compile(r"(<!-- (\w+): made by python book/make_front.py -->\n).*?(<!-- end of \2 -->)", re.DOTALL)
# Where pictures follow the reader's own setting, as on the pages of a repository; colours keep their hue.
DARK = "<style>@media (prefers-color-scheme: dark) { svg { filter: invert(.92) hue-rotate(180deg) } }</style>"


def address() -> str:
    """Where the repository can be had; empty until somebody fills it in."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def version() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


# --- README -----------------------------------------------------------------------------------------------------------


def findings_block(answers: list[Answer]) -> str:
    """Picture and lines, each with a link to the notebook that measures it."""
    best = highlights(answers)
    alt = (
        f"Forest plot of {len(best)} findings: each effect with its 95 percent interval, in units of the smallest "
        "effect that would matter; right of zero is as the paper claims."
    )
    lines = [
        f"- **{each.verdict}** · [{each.claim.paper}](notebooks/{each.claim.chapter}.ipynb): {in_one_line(each)}"
        for each in best
    ]
    return (
        f"**{how_many_hold(answers)}.** The book says of every other one how many seeds would decide it, or which "
        "run it waits for. The most telling, primary claims with the strongest evidence first (claims on full-scale "
        "runs of others were worded after a look at their tables); an effect is positive as claimed, [ , ] is its "
        "95 % interval:\n\n" + "\n".join(lines) + f"\n\n![{alt}]({PICTURE})\n"
    )


def address_block() -> str:
    """How a reader gets the repository."""
    if url := address():
        return f"```bash\ngit clone {url} nasnb && cd nasnb\n```\n"
    return (
        "This copy names no public address of the repository: the folder that you read this in is the whole of it, "
        "with its history if it has a `.git`. Who publishes it fills in `repository: url:` in `_config.yml`, once; "
        "README, book, citation and edit links take it from there.\n"
    )


def prices_block(table: pd.DataFrame) -> str:
    """What the chapters took of a processor, one after another; empty until somebody has measured it."""
    lines = []
    for (preset, device), found in table.groupby(["preset", "device"], sort=False):
        minutes, longest = found.processor_seconds.sum() / 60, found.processor_seconds.max() / 60
        took = f"{len(found)} chapters take {minutes:.0f} minutes of {device}, the longest {longest:.1f}"
        lines.append(f"At `{preset}` {took}; `make book` runs one on every core.")
    return "\n".join(lines) + "\n" if lines else ""


def readme(text: str, blocks: dict[str, str]) -> str:
    """The text with its marked blocks renewed. Raises ValueError for a block that nobody makes, or that is missing."""
    if {match[2] for match in BLOCK.finditer(text)} != set(blocks):
        raise ValueError(f"README.md must have the marked blocks {', '.join(sorted(blocks))}, each once")
    return BLOCK.sub(lambda match: match[1] + blocks[match[2]] + match[3], text)


# --- citation and codecheck -------------------------------------------------------------------------------------------


def citation(text: str) -> str:
    """Version and address as they are elsewhere."""
    text = re.sub(r"^version: .*$", f"version: {version()}", text, flags=re.MULTILINE)
    text = re.sub(r"^repository-code: .*\n", "", text, flags=re.MULTILINE)
    return text + (f'repository-code: "{address()}"\n' if address() else "")


def codecheck() -> str:
    """The authors' part of a codecheck: the kept results as its manifest; the codechecker adds the rest."""
    files = []
    for record in sorted(FIGURES.glob("*/*.json")):
        said = json.loads(record.read_text(encoding="utf-8"))
        for kind in ("svg", "csv"):
            path = record.with_suffix(f".{kind}")
            if path.exists():
                files.append({"file": str(path.relative_to(ROOT)), "comment": said.get("alt") or said["data"]})
    for path in sorted(FIGURES.glob("*/claims.csv")):
        files.append({"file": str(path.relative_to(ROOT)), "comment": f"evidence for the claims of {path.parent.name}"})
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    content = {
        "version": "https://codecheck.org.uk/spec/config/2.0/",
        "paper": {"title": cited["title"], "authors": [{"name": each["name"]} for each in cited["authors"]]},
        **({"repository": address()} if address() else {}),
        "manifest": files,
    }
    head = (
        "# The authors' part; who checks it adds codechecker, summary, certificate, report and the paper's reference.\n"
        "# Made by `python book/make_front.py` from the kept results: each is made again as its record (.json) tells.\n"
    )
    return "---\n" + head + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def main() -> None:
    answers = all_answers(figures_dir=FIGURES)
    use_style()
    drawn = svg(plot_forest(forest_rows(highlights(answers))))
    start = drawn.index(">", drawn.index("<svg")) + 1
    prices = prices_block(pd.read_csv(FIGURES / "bench/chapters.csv"))
    blocks = {"findings": findings_block(answers), "address": address_block(), "prices": prices}
    contents = {
        PICTURE: drawn[:start] + DARK + drawn[start:],
        "README.md": readme((ROOT / "README.md").read_text(encoding="utf-8"), blocks),
        "CITATION.cff": citation((ROOT / "CITATION.cff").read_text(encoding="utf-8")),
    }
    for name, content in contents.items():
        write_whole(ROOT / name, content.encode())
    write_whole(ROOT / "codecheck.yml", codecheck().encode())


if __name__ == "__main__":
    main()
