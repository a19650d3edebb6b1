"""The pages' own commands: every one is read out of its page and accepted; slow: run, at the smallest scale."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from nasnb.workflow.meanings import check_meaning
from nasnb.workflow.notebook import find_chapter
from nasnb.workflow.parameters import parameters_of, parse_parameters
from nasnb.workflow.sweep_file import read_sweep

ROOT = Path(__file__).resolve().parents[2]

PAGES = ("README.md", "book/how-to-run.md", "book/cluster.md", "book/data.md")
SETTING_UP = ("make", "python", ".venv/bin/pip", "conda", ".venv/bin/python", "pip", "#SBATCH", "#!/bin/bash")


def commands() -> list[tuple[str, str]]:
    """Every command line of the pages' blocks, with its page."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^ *```bash\n(.*?)^ *```$", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page, line.strip()) for line in lines if line.strip() and not line.strip().startswith("# ")]
    return found


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda text: text[:60])
def test_every_command_of_the_pages_is_one_that_is_accepted(page, line, monkeypatch):
    """Names, values and sweeps are those that exist; what the commands do is run elsewhere at the smallest scale."""
    monkeypatch.chdir(ROOT)
    line = re.sub(r"\$\(\(.*?\)\)|\$SLURM_ARRAY_TASK_ID", "100", line)
    words = shlex.split(line, comments=True)
    if line.startswith(SETTING_UP):
        return
    if words[0] == "podman":  # what it runs inside, if that is one of ours
        words = words[words.index(".venv/bin/nasnb") :] if ".venv/bin/nasnb" in words else ["podman"]
    if words[0] == "podman":
        return
    if words[0].endswith("torchrun"):
        words = ["nasnb", *words[words.index("nasnb") + 1 :]]
    if words[0].endswith("snakemake"):
        sweeps = [word.partition("=")[2] for word in words if word.startswith("sweep=")]
        values = [word.split("=", 1)[1] for word in words if word.startswith("set=")]
        assert (
            sweeps
            and read_sweep(ROOT / f"notebooks/sweeps/{sweeps[0]}.yaml", assignments=shlex.split(" ".join(values))).rows
        )
    elif words[0].endswith("papermill"):
        known = parameters_of(ROOT / next(word for word in words if word.startswith("notebooks/")))
        for at in (at for at, word in enumerate(words) if word == "-p"):
            assert words[at + 1] in known
            check_meaning(words[at + 1], known[words[at + 1]].parse(words[at + 1], words[at + 2]))
    else:
        assert words[0].endswith("nasnb"), f"{page}: say in this test how {line!r} is checked"
        given = [words[at + 1] for at, word in enumerate(words) if word == "-p"]
        if words[1] == "run":
            parse_parameters(given, parameters_of(find_chapter(words[2], ROOT / "notebooks")))
        elif words[1] == "sweep":
            preset = [f"preset={words[at + 1]}" for at, word in enumerate(words) if word == "--preset"]
            assert read_sweep(ROOT / f"notebooks/sweeps/{words[2]}.yaml", assignments=[*preset, *given]).rows
        else:
            assert words[1] in ("runs", "compare", "gather")


# --- run --------------------------------------------------------------------------------------------------------------

NOT_RUN = {  # what a command begins with, and why no test runs it
    "make book": ".ci/run does",
    "make test": ".ci/run does, this test included",
    "python -m venv": "it makes an environment such as the one that runs this test, from downloads",
    ".venv/bin/pip install": "the same",
    "podman": "it needs a container engine; what runs inside is a command like the others",
    "python -m nasnb.workflow.kept_supernets": "minutes each, on the full Fashion-MNIST; test_kept_supernets makes one",
    'load("cifar10"': "it downloads 170 MB",
}
ARRAY = "#SBATCH --array"
SNAKEMAKE = ROOT / ".venv-cluster/bin/snakemake"
COPIED = ("nasnb", "notebooks", "profiles", "benchmarks", "tests", "Snakefile", "pyproject.toml")


def runnable(page: str) -> list[tuple[str, str]]:
    """Language and command, in order: a line of bash, a whole array job, a whole block of Python."""
    found = []
    text = (ROOT / page).read_text()
    for language, block in re.findall(r"^ *```(bash|python)\n(.*?)^ *```$", text, flags=re.MULTILINE | re.DOTALL):
        if language == "python" or ARRAY in block:
            found.append((language, block))
        else:
            lines = block.replace("\\\n", " ").splitlines()
            found += [(language, line.strip()) for line in lines if line.strip() and line.strip()[0] != "#"]
    return found


def why_not(command: str) -> str:
    """Why a command is not run, or nothing."""
    return next((why for start, why in NOT_RUN.items() if any(x.startswith(start) for x in command.split("\n"))), "")


def smallest(line: str, folder: Path) -> str:
    """A command at the smallest preset, on what there is: images in a folder, the processor, two small runs."""
    line = line.partition("  #")[0].replace("/path/to/", "").replace("--rows 1000", "--rows 2")
    if " runs --" in line:  # what there is instead
        return (
            line.replace("pc-darts-ablation", "smoke")
            .replace("paper", "smoke")
            .replace("--method pc-darts --dataset cifar10", "--method darts-1st --dataset fashion-sample")
        )
    if " compare A B" in line:
        a, b = sorted(path.name for path in (folder / "runs").glob("search-*"))[:2]
        return line.replace("A B", f"{a} {b}")
    if line.startswith(".venv-cluster/bin/snakemake"):
        values = re.search(r'set="(.*?)"', line)
        more = f' preset=smoke set="dataset=fashion-sample {values[1] if values else ""}"'
        line = line.replace(values[0], "") if values else line
        line = re.sub(r"(sweep=\S+)( preset=gpu)?", rf"\1{more}", line).replace("profiles/slurm", "profiles/local")
        return line.replace("data_dir=data", "") + " -n" * ("sweep=smoke" not in line and "--unlock" not in line)
    if " run " in line or "papermill notebooks" in line:
        rest, values = taken_apart(shlex.split(line))
        values |= {"preset": "smoke", "epochs": "1", "device": "cpu", "searches": "1"}
        values |= {"retrainings": "1"} if "01-darts" in line else {}
        values |= {"dataset": "imagefolder", "image_size": "16"} if "data_dir" in values else {}
        if "papermill" in line:
            return shlex.join([*rest, *(word for name, value in values.items() for word in ("-p", name, value))])
        rest += ["--unpriced"] * ("--dry-run" not in rest)
        return shlex.join([*rest, *(word for name, value in values.items() for word in ("-p", f"{name}={value}"))])
    return line


def taken_apart(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """A command without its `-p name=value` or `-p name value`, and these."""
    rest, values, left = [], {}, iter(words)
    for word in left:
        if word != "-p":
            rest.append(word)
            continue
        name, is_pair, value = next(left).partition("=")
        values[name] = value if is_pair else next(left)
    return rest, values


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of the repository as a reader has it, with images in `data` and two runs to compare."""
    folder = tmp_path_factory.mktemp("repository")
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("node_modules", "__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    (folder / "figures").symlink_to(ROOT / "figures")
    (folder / ".venv").symlink_to(sys.prefix)
    if SNAKEMAKE.exists():
        (folder / ".venv-cluster").symlink_to(SNAKEMAKE.parents[1])
    draw = np.random.default_rng(0)
    for name in ("data", "imagenet"):
        for part, n in (("train", 32), ("test", 8)):
            for kind in ("cat", "dog", "owl"):
                inside = folder / name / part / kind
                inside.mkdir(parents=True)
                for i in range(n):
                    pixels = draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(inside / f"{i}.png")
    for seed in "01":
        done(".venv/bin/nasnb run stages/search --unpriced -p preset=smoke -p seed=" + seed, folder)
    return folder


def done(command: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{folder}/.venv/bin:{environment['PATH']}"
    shown = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
    assert shown.returncode == 0, f"{command}: {shown.stdout[-3000:]}\n{shown.stderr[-3000:]}"
    return shown.stdout + shown.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_is_run(page, folder):
    said = {}
    for language, command in sorted(runnable(page), key=lambda found: " runs --sweep" in found[1]):  # once there is one
        if why_not(command) or ARRAY in command:
            continue
        if "snakemake" in command and not SNAKEMAKE.exists():
            continue  # make cluster
        if language == "python":
            said[command] = done(f"{sys.executable} -W error -c {shlex.quote(command)}", folder)
        else:
            said[command] = done(smallest(command, folder), folder)
    if page == "book/how-to-run.md":
        assert (folder / "darts-seed3.ipynb").exists() and list((folder / "build").glob("01-darts-*.ipynb"))
    if page == "book/cluster.md":
        assert (folder / "table.csv").read_text().count("\n") > 1
        done_rows = list((folder / "runs/sweeps/smoke").glob("*/result.json"))
        both = 1 + SNAKEMAKE.exists()  # which names the data set, so that its rows are others
        assert len(done_rows) == both * len(read_sweep(folder / "notebooks/sweeps/smoke.yaml").rows)


def test_what_is_not_run_is_on_a_page_and_says_why():
    every = [command for page in PAGES for _, command in runnable(page)]
    for start in NOT_RUN:
        assert any(each.startswith(start) or f"\n{start}" in each for each in every), f"no page says {start!r} any more"
    assert sum(not why_not(each) for each in every) > 0.6 * len(every)
    assert sum(ARRAY in each for each in every) == 1


@pytest.mark.slow
def test_the_array_of_the_cluster_page_runs_side_by_side(tmp_path):
    """Two tasks of it at the smallest scale: both end well, and no seed is searched by both."""
    script = next(
        block
        for block in re.findall(r"```bash\n(.*?)```", (ROOT / "book/cluster.md").read_text(), re.DOTALL)
        if "SBATCH --array" in block
    )
    script = script.replace("preset=paper", "preset=smoke -p searches=1 -p retrainings=1").replace("/path/to/", "")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("notebooks", "figures"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    tasks = [
        subprocess.Popen(["bash", "-c", script], cwd=tmp_path, env={**environment, "SLURM_ARRAY_TASK_ID": number})
        for number in "01"
    ]
    assert [task.wait(600) for task in tasks] == [0, 0]
    copies = sorted(path.name for path in tmp_path.glob("darts-*.ipynb"))
    assert copies == ["darts-0.ipynb", "darts-1.ipynb"]
    assert all(nbformat.read(tmp_path / name, 4).metadata.nasnb for name in copies)
    assert len(list((tmp_path / "runs").glob("search-darts-1st-fashion-*"))) == 2
