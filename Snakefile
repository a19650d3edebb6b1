# The rows of sweeps as jobs, here or on a cluster:
#   snakemake --profile profiles/slurm --config sweep=pc-darts-channels
#   snakemake --profile profiles/local --config sweep=darts preset=smoke set="dataset=fashion-sample"
#
# `nasnb sweep --plan` says what there is to do, and `nasnb row` does it. A row's folder is named by the notebook's code,
# its values and the package's version, so what is finished is told by name, not by file times. The executed notebook is
# the log and survives a failure; checkpoints are no outputs, since Snakemake removes those before it tries again.
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

VENV = Path(".venv/bin/python")
PYTHON = config.get("python", str(VENV) if VENV.exists() else sys.executable)
OPTIONS = [f"--parameter={assignment}" for assignment in shlex.split(str(config.get("set", "")))]
if "preset" in config:
    OPTIONS.append(f"--preset={config['preset']}")
if "sweep" not in config:
    raise WorkflowError("name a sweep: --config sweep=NAME; there are: "
                        + ", ".join(sorted(path.stem for path in Path("notebooks/sweeps").glob("*.yaml"))))


def plan(sweep):
    command = [PYTHON, "-m", "nasnb", "sweep", sweep, *OPTIONS, "--plan"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise WorkflowError(done.stderr.strip())
    return json.loads(done.stdout)["rows"]


SWEEPS = [sweep for sweep in str(config["sweep"]).split(",") if sweep]
ROWS = {os.path.relpath(row["folder"]): {"sweep": sweep, **row} for sweep in SWEEPS for row in plan(sweep)}
FOLDER = {(row["sweep"], row["name"]): folder for folder, row in ROWS.items()}


def job(name, factor=1):
    return lambda wildcards: factor * ROWS[wildcards.folder]["job"][name]


rule all:
    input:
        [f"{folder}/result.json" for folder in ROWS],


rule row:
    input:
        lambda wildcards: [
            FOLDER[ROWS[wildcards.folder]["sweep"], need] + "/result.json" for need in ROWS[wildcards.folder]["needs"]
        ],
    output:
        "{folder}/result.json",
    log:
        "{folder}/executed.ipynb",
    wildcard_constraints:
        folder="|".join(map(re.escape, ROWS)),
    threads: job("cpus")
    resources:
        mem_mb=job("memory_gb", 1024),
        runtime=job("minutes"),
        gpu=job("gpus"),
    params:
        command=lambda wildcards: shlex.join(
            [PYTHON, "-m", "nasnb", "row", *OPTIONS, ROWS[wildcards.folder]["sweep"], ROWS[wildcards.folder]["name"]]
        ),
    shell:
        "OMP_NUM_THREADS={threads} exec {params.command}"
