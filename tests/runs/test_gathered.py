"""Results over seeds: the noise of search stands apart from the noise of training, and every line names its rule."""

import math
import os

import pytest

from nasnb.architecture import Genotype, Pick
from nasnb.config import SearchConfig, TrainConfig
from nasnb.runs import Finished, Run, Task, find_runs, gather
from nasnb.workflow.cli import main
from nasnb.workflow.meanings import check_parameters


def network(op: str) -> Genotype:
    return Genotype({"normal": (Pick(op, 0, 2),)}, {"normal": (2,)})


class Nothing:
    epoch, step = 0, 0

    def state_dict(self) -> dict:
        return {}


def finished(run: Run, accuracy: float, found: Genotype | None = None) -> None:
    epoch = Finished({"epoch": 1, "valid_accuracy": accuracy}, genotype=found)
    run.finish(Task(Nothing, lambda state, on_step: [epoch], 1, lambda state: 1))


@pytest.fixture
def searched(data, tmp_path):
    def make(seed: int, accuracy: float, op: str, **changes) -> None:
        config = SearchConfig(seed=seed, **changes)
        run = Run("search", method="m", config=config, data=data, runs_dir=tmp_path, facts={})
        finished(run, accuracy, network(op))

    return make


@pytest.fixture
def retrained(data, tmp_path):
    def make(seed: int, error: float, op: str, **changes) -> None:
        facts = {"space": "darts", "genotype": network(op)}
        config = TrainConfig(seed=seed, **changes)
        finished(Run("train", method="darts", config=config, data=data, runs_dir=tmp_path, facts=facts), 100 - error)

    return make


def lines(folder, what: str) -> list[tuple]:
    table = gather(folder)
    chosen = table[table.what == what]
    return list(chosen[["method", "n", "mean", "sd", "best", "protocol"]].itertuples(index=False, name=None))


def test_spread_of_searches_and_of_retrainings_by_hand(searched, retrained, tmp_path):
    for seed, (accuracy, op) in enumerate([(50, "skip_connect"), (70, "sep_conv_3x3"), (60, "max_pool_3x3")]):
        searched(seed, accuracy, op)
    for op, errors in {"skip_connect": (10, 12), "sep_conv_3x3": (6, 8, 10)}.items():
        for seed, error in enumerate(errors):
            retrained(seed, error, op)
    approximately = pytest.approx
    assert lines(tmp_path, "searches") == [("m", 3, approximately(60), approximately(10), 70, "last epoch")]
    first, second = sorted(lines(tmp_path, "retrainings"))
    assert first == ("m, search seed 0", 2, approximately(11), approximately(math.sqrt(2)), 10, "last epoch")
    assert second == ("m, search seed 1", 3, approximately(8), approximately(2), 6, "last epoch")
    # of the searches' means, 11 and 8, whatever the noise within each
    ((method, n, mean, sd, best, protocol),) = lines(tmp_path, "searches, retrained")
    assert (method, n, mean, best) == ("m", 2, approximately(9.5), approximately(8))
    assert sd == approximately(3 / math.sqrt(2)) and protocol == "each search's mean over its retrainings, last epoch"
    ((_, n, mean, sd, best, protocol),) = lines(tmp_path, "picked, retrained")
    assert (n, mean, sd, best) == (3, approximately(8), approximately(2), approximately(6))
    assert protocol == "retrainings of the most accurate supernet of 3, last epoch"


def test_other_numbers_are_other_lines_and_one_run_has_no_spread(searched, retrained, tmp_path):
    searched(0, 50, "skip_connect")
    searched(0, 40, "skip_connect", epochs=7)
    assert sorted(line[1:3] for line in lines(tmp_path, "searches")) == [(1, 40), (1, 50)]
    assert all(math.isnan(line[3]) for line in lines(tmp_path, "searches"))
    retrained(0, 9, "sep_conv_3x3")  # found by none of them
    ((method, n, *_),) = lines(tmp_path, "retrainings")
    assert method.startswith("darts, given architecture ") and n == 1
    assert not lines(tmp_path, "searches, retrained") and not lines(tmp_path, "picked, retrained")


def test_what_is_not_finished_does_not_count(searched, data, tmp_path):
    searched(0, 50, "skip_connect")
    broken = Run("search", method="m", config=SearchConfig(seed=1), data=data, runs_dir=tmp_path, facts={})
    with pytest.raises(ZeroDivisionError):
        broken.finish(Task(Nothing, lambda state, on_step: [1 / 0], 1, lambda state: 1))
    assert sorted(find_runs(tmp_path).state) == ["failed", "finished"]
    assert [line[1] for line in lines(tmp_path, "searches")] == [1]


def test_the_command_prints_and_writes_the_table(searched, tmp_path, capsys):
    assert main(["gather", "--runs-dir", str(tmp_path)]) == 0
    assert "no finished searches or trainings" in capsys.readouterr().out
    searched(0, 50, "skip_connect")
    assert main(["gather", "--runs-dir", str(tmp_path), "--csv", str(tmp_path / "table.csv")]) == 0
    assert "last epoch" in capsys.readouterr().out
    assert (tmp_path / "table.csv").read_text().startswith("what,method,dataset,epochs,metric,n,mean,sd,best,protocol")


def test_a_table_can_be_kept_to_one_method_and_one_data_set(searched, retrained, tmp_path, capsys):
    searched(0, 50, "skip_connect")
    retrained(0, 9, "skip_connect")
    for command in ("runs", "gather"):
        assert main([command, "--runs-dir", str(tmp_path)]) == 0
        whole = capsys.readouterr().out
        assert main([command, "--runs-dir", str(tmp_path), "--method", "m", "--dataset", "tiny"]) == 0
        kept = capsys.readouterr().out
        assert "search-m" in kept or "searches" in kept
        assert len(kept.splitlines()) == len(whole.splitlines()) - (command == "runs")  # the training is of a space
        assert main([command, "--runs-dir", str(tmp_path), "--method", "n"]) == 2
        assert "no line has the method 'n'" in capsys.readouterr().err
        assert main([command, "--runs-dir", str(tmp_path), "--dataset", "cifar10"]) == 2
        assert "no line has the dataset 'cifar10'; there are: tiny" in capsys.readouterr().err


def test_a_table_can_be_kept_to_a_sweep_and_a_preset(searched, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NASNB_PRESET", "laptop")
    searched(0, 50, "skip_connect")
    monkeypatch.delenv("NASNB_PRESET")
    check_parameters({"preset": "smoke"})
    searched(1, 70, "skip_connect")
    check_parameters({"seed": 0})  # a notebook without a preset, started by one that has one
    assert "NASNB_PRESET" not in os.environ
    names = find_runs(tmp_path).sort_values("seed")["name"].tolist()
    row = tmp_path / "sweeps" / "trial" / "a-0123456789"
    row.mkdir(parents=True)
    (row / "executed.ipynb").write_text(f'"{names[1]}: loaded, nothing computed"')
    for chosen in (["--sweep", "trial"], ["--preset", "smoke"], ["--sweep", "trial", "--preset", "smoke"]):
        assert main(["runs", "--runs-dir", str(tmp_path), *chosen]) == 0
        told = capsys.readouterr().out
        assert names[1] in told and names[0] not in told
        assert main(["gather", "--runs-dir", str(tmp_path), *chosen]) == 0
        assert "70.00" in (told := capsys.readouterr().out) and " 2 " not in told
    assert main(["gather", "--runs-dir", str(tmp_path), "--sweep", "trail"]) == 2
    assert "no rows of a sweep 'trail' in" in (told := capsys.readouterr().err) and "did you mean 'trial'?" in told
