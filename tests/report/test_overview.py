"""All claims at once: counted, as plain values, in a terminal."""

import json
import math
import re
from pathlib import Path

import pytest

from nasnb.published.claims import claims
from nasnb.report import Findings
from nasnb.report.evidence import evidence, write_evidence
from nasnb.report.overview import all_answers, chosen, command, counted, in_full, in_lines, overview
from nasnb.workflow.cli import main
from nasnb.workflow.crowd import jobs

ROOT = Path(__file__).resolve().parents[2]
PAIRED, NOT_LEARNED = "pc-darts/partial-lowers-error", "pc-darts/beta-lowers-error"


@pytest.fixture
def folder(tmp_path):
    found = Findings("03-pc-darts", preset="overnight", scale="CIFAR-10 at 16 px", seed=3)
    found.add(PAIRED, [4.0, 5.5, 3.0, 6.0, 4.5, 5.0])
    found.add(NOT_LEARNED, [4.0, 5.5, 3.0], learned=False)
    found.add("pc-darts/sizes", True)
    write_evidence("03-pc-darts", found.found, figures_dir=tmp_path)
    return tmp_path


def test_every_claim_is_there_once_and_the_count_adds_up(folder):
    answers = all_answers(figures_dir=folder)
    assert [each.claim for each in answers] == claims()
    total, verdicts, reasons = re.fullmatch(r"(\d+) claims: (.*) \((.*)\)\. .*", counted(answers)).groups()
    numbers = [int(part.split()[0]) for part in verdicts.split(", ")]
    assert sum(numbers) == int(total) == len(claims())
    assert sum(int(part.split()[0]) for part in re.findall(r"\d+ [^,]*", reasons)) == numbers[-1]


def test_the_table_is_plain_values_and_hides_numbers_at_chance(folder):
    table = overview(all_answers(figures_dir=folder)).set_index("id")
    assert table.loc[PAIRED, "verdict"] == "supported" and table.loc[PAIRED, "n"] == 6
    assert table.loc[PAIRED, "evidence"] == "overnight" and table.loc[PAIRED, "scale"] == "CIFAR-10 at 16 px"
    assert table.loc[NOT_LEARNED, "verdict"] == "not learned" and math.isnan(table.loc[NOT_LEARNED, "estimate"])
    json.dumps(table.reset_index().astype(object).where(table.reset_index().notna(), None).to_dict("records"))


def test_commands_measure_at_the_scale_of_the_evidence(folder):
    by_id = {each.claim.id: command(each) for each in all_answers(figures_dir=folder)}
    assert "notebooks/03-pc-darts.ipynb" in by_id[PAIRED] and "-p preset overnight -p keep True" in by_id[PAIRED]
    assert "-p preset paper" in by_id["pc-darts/imagenet"] and "-p preset laptop" in by_id["pc-darts/sizes"]
    assert "--plan k4,k4-beta@0-7" in by_id["pc-darts/beta-201"] and "papermill" not in by_id["pc-darts/beta-201"]


def test_what_others_ran_is_read_again_where_it_is_read(tmp_path):
    own, told = "full-scale/ranking-survives", "darts/skip-outweighs"
    for id, run in ((own, ""), (told, "08-full-scale")):
        made = evidence(id, [0.1, 0.2, 0.15], kind="full scale", run=run)
        write_evidence(made.claim.chapter, [made], figures_dir=tmp_path)
    by_id = {each.claim.id: command(each) for each in all_answers(figures_dir=tmp_path)}
    assert by_id[own] == "papermill notebooks/08-full-scale.ipynb out.ipynb -p preset laptop -p keep True"
    script = by_id[told].split()[-1]
    assert (ROOT / script).exists() and f'"{told}"' in (ROOT / script).read_text()


def test_every_command_names_what_there_is():
    for each in all_answers(figures_dir=ROOT / "figures"):
        words = command(each).split()
        assert all((ROOT / word).exists() for word in words if word.startswith(("notebooks/", "figures/"))), each
        if "--plan" in words:
            planned = jobs([words[words.index("--plan") + 1]])
            assert {seed for _, seed in planned} == set(range(8)), each


def test_one_claim_in_full(folder):
    text = in_full(PAIRED, figures_dir=folder)
    assert "seed 3: +4" in text and "seed 8: +5" in text and "supported" in text and "margin" in text
    assert "seed" not in in_full(NOT_LEARNED, figures_dir=folder).partition("overnight:")[2].partition("measure")[0]
    with pytest.raises(ValueError, match=r"no claim 'pc-darts/size'.*pc-darts/sizes"):
        in_full("pc-darts/size")


def test_choices_are_checked(folder):
    answers = all_answers(figures_dir=folder)
    assert {each.verdict for each in chosen(answers, paper="PC-DARTS", verdict="supported")} == {"supported"}
    assert in_lines(chosen(answers, verdict="supported")).count("\n") == len(chosen(answers, verdict="supported"))
    with pytest.raises(ValueError, match=r"no claim with verdict 'suported'.*supported"):
        chosen(answers, verdict="suported")
    with pytest.raises(ValueError, match=r"no claim with paper 'PCDARTS'.*PC-DARTS"):
        chosen(answers, paper="PCDARTS")


def test_in_a_terminal(folder, capsys):
    assert main(["claims", "--figures", str(folder), "--paper", "PC-DARTS"]) == 0
    out = capsys.readouterr().out
    assert PAIRED in out and "[3.5, 5.8], n = 6" in out and "darts-pt/" not in out
    assert main(["claims", PAIRED, "--figures", str(folder)]) == 0
    assert "measure it again: papermill notebooks/03-pc-darts.ipynb" in capsys.readouterr().out
    assert main(["claims", "pc-darts/nothing", "--figures", str(folder)]) == 2
    assert "no claim 'pc-darts/nothing'" in capsys.readouterr().err
