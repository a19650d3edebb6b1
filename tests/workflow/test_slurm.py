"""A small sweep on a real Slurm of one node, by Snakemake: a job fails and is retried, one hits its time limit and goes
on, one can never succeed, and the driver is killed in the middle. The log stays in build/slurm-test.log.

Needs Debian's slurm-wlm and munge, and `make cluster`.
"""

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from nasnb.runs.files import read_json
from nasnb.workflow.row import attempts, failures, run_row
from nasnb.workflow.sweep_file import read_sweep

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "build" / "slurm-test.log"
SNAKEMAKE = shutil.which("snakemake") or ROOT / ".venv-cluster" / "bin" / "snakemake"
STEPS = 75  # of a second each: more than the minute that a job may take
FACTOR, PRIME = 48271, 2**31 - 1  # each step multiplies

PARAMETERS = """\
case = "fine"  # what happens
seed = 0  # of nothing
runs_dir = "runs"  # beside this notebook
preset = "smoke"  # small jobs
"""
CELLS = [
    """\
import time
from pathlib import Path
from types import SimpleNamespace

import torch

from nasnb.config import SearchConfig
from nasnb.runs import Finished, Run, Task
""",
    """\
if case == "broken":
    raise ValueError("this one cannot succeed")
first_time = not (Path(runs_dir) / case).exists()
(Path(runs_dir) / case).touch()
if case == "flaky" and first_time:
    raise OSError("a passing trouble")
""",
    f"""\
class Counting:
    epoch, step, value = 0, 0, 1

    def state_dict(self):
        return {{"epoch": self.epoch, "step": self.step, "value": self.value}}

    def load_state_dict(self, saved):
        self.epoch, self.step, self.value = saved["epoch"], saved["step"], saved["value"]

def epochs(state, on_step):
    while state.step < {STEPS}:
        time.sleep(1)
        state.step, state.value = state.step + 1, state.value * {FACTOR} % {PRIME}
        with open(Path(runs_dir) / "steps.txt", "a") as file:
            print(state.step, file=file)
        on_step(state)
    state.epoch, state.step = 1, 0
    yield Finished({{"epoch": 1, "value": state.value}})

if case == "long":
    data = SimpleNamespace(name="none", checksum="none", train=SimpleNamespace(images=torch.zeros(1)))
    run = Run("search", method="counting", config=SearchConfig(), data=data, runs_dir=runs_dir, facts={{}})
    run.finish(Task(Counting, epochs, 1, lambda state: {STEPS}))
""",
]


def requirements() -> str:
    """What is missing here, or nothing."""
    commands = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(name, path=PLACES)]
    if commands:
        return f"no {', '.join(commands)}: apt install slurm-wlm munge"
    return "" if Path(SNAKEMAKE).exists() else "no snakemake: make cluster"


PLACES = f"{os.environ['PATH']}:/usr/sbin:/sbin"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(requirements()), reason=requirements())]


@pytest.fixture
def slurm(tmp_path):
    """The environment in which a fresh Slurm is found."""
    folder = tmp_path / "slurm"
    scripts = ROOT / "tests" / "slurm"
    with (tmp_path / "slurm.log").open("w") as log:  # its daemons hold on to what they write to
        subprocess.run(
            [scripts / "start.sh", folder],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PATH": PLACES},
        )
    yield {**os.environ, "PATH": f"{folder / 'bin'}:{PLACES}", "HOME": str(tmp_path)}
    subprocess.run([scripts / "stop.sh", folder], check=True)


@pytest.fixture
def sweep_file(tmp_path) -> Path:
    v4 = nbformat.v4
    cells = [v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}), *map(v4.new_code_cell, CELLS)]
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "cases.ipynb")
    path = tmp_path / "cases.yaml"
    path.write_text(
        f"title: Cases\nnotebook: {tmp_path / 'cases.ipynb'}\nparameters: {{runs_dir: {tmp_path / 'runs'}}}\n"
        "rows: [{case: long}, {case: flaky}, {case: broken}, {case: fine}, {case: fine, seed: 1}]\n"
        "job: {minutes: 1, memory_gb: 1}\n"
    )
    return path


def drive(sweep_file: Path, env: dict, *options: str) -> subprocess.Popen:
    command = [
        SNAKEMAKE,
        "--profile",
        ROOT / "profiles" / "slurm",
        "--snakefile",
        ROOT / "Snakefile",
        "--directory",
        sweep_file.parent,
        "--config",
        f"sweep={sweep_file}",
        f"python={sys.executable}",
        "--retries",
        "2",
        "--latency-wait",
        "20",
        "--slurm-init-seconds-before-status-checks",
        "5",
        "--seconds-between-status-checks",
        "5",
        "--slurm-status-command",
        "squeue",
        "--default-resources",
        "slurm_partition=test",
        *options,
    ]
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        return subprocess.Popen(
            list(map(str, command)), env=env, stdout=log, stderr=log, cwd=sweep_file.parent, start_new_session=True
        )


def test_a_sweep_survives_failures_time_limits_and_a_killed_driver(slurm, sweep_file):
    LOG.unlink(missing_ok=True)
    rows = {f"{row.told['case']}{row.told.get('seed', '')}": row for row in read_sweep(sweep_file).rows}
    driver = drive(sweep_file, slurm)
    wait_until(lambda: any(row.result.exists() for row in rows.values()), driver)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    before = {name for name, row in rows.items() if row.result.exists()}
    assert drive(sweep_file, slurm, "--unlock").wait(60) == 0
    assert drive(sweep_file, slurm).wait(900) == 1  # since one row cannot succeed
    summary = tell(rows, sweep_file.parent, before)

    assert [name for name, row in rows.items() if not row.result.exists()] == ["broken"], summary
    assert 0 < len(before) < len(rows) - 1, summary
    assert states(rows["flaky"])[-2:] == ["failed", "finished"], summary
    assert states(rows["broken"]).count("failed") >= 3, summary
    assert "this one cannot succeed" in dict(failures(sweep_file.parent / "runs"))[f"cases/{rows['broken'].name}"]

    (record,) = sweep_file.parent.glob("runs/search-counting*/record.json")
    steps = [int(line) for line in (sweep_file.parent / "runs" / "steps.txt").read_text().split()]
    assert read_json(record)["resumed"] >= 1 and set(steps) == set(range(1, STEPS + 1)), summary
    assert read_json(record)["metrics"]["value"] == pow(FACTOR, STEPS, PRIME), summary
    assert len(steps) < 1.5 * STEPS, f"most of it was computed again\n{summary}"
    run_row(rows["long"])  # nothing is left to do


def states(row) -> list[str]:
    return [attempt["state"] for attempt in attempts(row.folder)]


def wait_until(condition, driver: subprocess.Popen) -> None:
    until = time.monotonic() + 300
    while not condition():
        assert driver.poll() is None and time.monotonic() < until, LOG.read_text()[-3000:]
        time.sleep(0.5)


def tell(rows: dict, folder: Path, before: set[str]) -> str:
    """A summary, at the end of the log: attempts of every row, and Slurm's own record of its jobs."""
    with (folder / "slurm" / "log" / "jobs.txt").open() as file:
        jobs = [dict(word.partition("=")[::2] for word in line) for line in csv.reader(file, delimiter=" ") if line]
    lines = [f"finished when the driver was killed: {', '.join(sorted(before))}"]
    lines += [f"{name}: {', '.join(states(row))}" for name, row in rows.items()]
    lines += [f"job {job['JobId']}: {job['JobState']}, {job['StartTime']} to {job['EndTime']}" for job in jobs]
    with LOG.open("a") as log:
        print(*lines, sep="\n", file=log)
    return "\n".join(lines)
