"""Another code's step beside ours: found, taken with its calls to a card made harmless, and nothing of it left over."""

import sys
import textwrap

import pytest
import torch

from benchmarks.rival import beside, find, main
from benchmarks.steps import Size

SIZE = Size(batch=2, channels=4, cells=3, pixels=8)
CHECKOUT = {
    "genotypes.py": "PRIMITIVES = ['skip_connect']",
    "model_search.py": """
        import torch
        from torch import nn
        from genotypes import PRIMITIVES
        steps = []
        class Network(nn.Module):
            def __init__(self, C, num_classes, layers, criterion):
                super().__init__()
                self.body = nn.Conv2d(3, num_classes, 3)
                self.criterion = criterion
                self.alpha = torch.zeros(len(PRIMITIVES)).cuda().requires_grad_()
            def arch_parameters(self):
                return [self.alpha]
            def _loss(self, images, labels):
                steps.append(len(images))
                return self.criterion(self.body(images).mean((2, 3)) * (1 + self.alpha), labels)
    """,
}


@pytest.fixture
def checkout(tmp_path):
    for name, text in CHECKOUT.items():
        (tmp_path / "cnn").mkdir(exist_ok=True)
        (tmp_path / "cnn" / name).write_text(textwrap.dedent(text))
    return tmp_path


def test_a_checkout_takes_its_two_half_steps_and_leaves_nothing_behind(checkout):
    cuda = torch.Tensor.cuda
    rival = find(str(checkout))
    row = beside(rival, SIZE, torch.device("cpu"), repeats=1)
    assert row["times_faster"] > 0 and row["batch"] == 2
    assert sys.modules.keys().isdisjoint({"genotypes", "model_search"}) and torch.Tensor.cuda is cuda
    assert rival.method.name == "darts-1st" and rival.stubbed.startswith(".cuda()")


def test_any_code_can_stand_beside_ours_through_a_function(tmp_path, capsys):
    (tmp_path / "mine.py").write_text("def step(batch, channels, cells, pixels, device):\n    return lambda: batch\n")
    sizes = ["--batch", "2", "--channels", "4", "--cells", "3", "--pixels", "8", "--repeats", "1"]
    main([f"{tmp_path}/mine.py:step", *sizes, "--output", str(tmp_path / "kept")])
    main([f"{tmp_path}/mine.py:step", *sizes, "--output", str(tmp_path / "kept")])
    assert "mine:step" in capsys.readouterr().out
    assert len((tmp_path / "kept" / "rivals.csv").read_text().splitlines()) == 2  # the second took the first's place


@pytest.mark.parametrize("path, said", [("nowhere", "holds no model_search.py"), ("{}/mine.py:other", "no function")])
def test_what_is_no_rival_is_refused_by_name(tmp_path, path, said, capsys):
    (tmp_path / "mine.py").write_text("")
    with pytest.raises(SystemExit, match="2"):
        main([path.format(tmp_path)])
    assert said in capsys.readouterr().err
