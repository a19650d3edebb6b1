"""What a script in a chapter's folder keeps of its small runs: figure, numbers, record and claims, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from nasnb.plots.style import svg
from nasnb.report.claims import Finding
from nasnb.report.evidence import SMALL, write_evidence
from nasnb.report.findings import Findings
from nasnb.runs import Result
from nasnb.runs.kept import keep

Judged = tuple[Mapping[str, Any], bool]  # effects by claim, and whether their networks have learnt


def keep_small(
    name: str,
    figure: Figure,
    table: pd.DataFrame,
    runs: Sequence[Result],
    judged: Iterable[Judged] = (),
    *,
    data: str,
    config: Mapping[str, Any],
    seeds: Sequence[int],
    scale: str,
    alt: str,
    told: str = "",
    evidence_from: str = SMALL,
    figures_dir: str | Path = "figures",
) -> dict[str, Finding]:
    """Keep `name` (chapter and result), tell its claims to the chapter's `claims.csv`; returns what they say.

    `runs` are all that it was made of: their device, their commits and the sum of their seconds go into the record.
    `scale`, a sentence without its stop, is that of the claims; `told` follows it below the figure, which is closed.
    `evidence_from` is another kind where cells are looked up.
    Raises ValueError for a claim of another chapter, before anything is written.
    """
    chapter = name.partition("/")[0]
    findings = Findings(chapter, preset="overnight", scale=scale, seed=seeds[0], figures_dir=figures_dir)
    for effects, learned in judged:
        findings.judged(effects, learned=learned, evidence_from=evidence_from, run=name)
    record = {
        "data": data,
        "config": dict(config),
        "seed": [int(seed) for seed in seeds],
        "device": runs[0].record["device"],
        "commit": ", ".join(sorted({str(run.record["commit"]) for run in runs})),
        "seconds": float(sum(run.record["seconds"] for run in runs)),
        "scale": f"{scale}. {told}".rstrip(),
        "alt": alt,
    }
    keep(name, svg(figure), table, record, figures_dir=figures_dir)
    plt.close(figure)
    write_evidence(chapter, findings.found, figures_dir=figures_dir)
    return {each.claim.id: each.finding for each in findings.found}
