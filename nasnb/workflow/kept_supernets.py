"""Trained supernets under `figures/supernets`, for analyses where a search would take too long.

python -m nasnb.workflow.kept_supernets [NAME ...]

makes them: on images of the full Fashion-MNIST, in minutes each; a run that was stopped goes on where it stood.
"""

from __future__ import annotations

import argparse
import gzip
import io
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch

from nasnb.config import SearchConfig, nearest
from nasnb.data import Data, Split, load
from nasnb.experiment import run_search
from nasnb.methods import METHODS, Method
from nasnb.plots.style import svg, use_style
from nasnb.runs import Result
from nasnb.runs.files import checksum, read_whole, runs_folder, write_whole
from nasnb.runs.kept import keep, kept
from nasnb.search.state import SearchState, begin
from nasnb.spaces.sharp import sharp_space
from nasnb.supernet.partial_channels import PartialMix

KEPT, SEARCHED = "kept", "searched"  # what the chapters' parameter `supernets` may say
FOLDER = "supernets"
SIDE = 16  # pixels
SIZE = {"epochs": 6, "train_images": 5000, "lr": 0.05}  # beside what `laptop` says: steps are few, so they are larger
METHOD_OF = {  # the eight supernets of chapter 07, by their names here
    "darts-1st": "darts-1st",
    "pc-darts": "pc-darts",
    "stacnas": "stacnas",
    "msr-darts": "msr-darts",
    "sharpdarts": "sharpdarts-max-w",
    "sdarts-rs": "sdarts-rs",
    "sgas": "sgas",
    "fixed-alpha": "darts-pt-fixed-alpha",
}


def which_supernets(preset: str, asked: str | None = None) -> str:
    """What was `asked` for, else KEPT where a search would take too long, and the chapter's own from `overnight` on."""
    return asked or (KEPT if preset in ("smoke", "laptop") else SEARCHED)


def kept_words(name: str, *, figures_dir: str | Path = "figures") -> str:
    """`Kept supernet (3 cells, ...; one seed; 76 % on held-out images), looked at on images that it has not seen.`"""
    found = kept(f"{FOLDER}/{name}", figures_dir=figures_dir)
    if found is None:
        raise FileNotFoundError(f"no supernet {_weights_file(name, figures_dir)}: {_cure(name)}")
    r, reached = found.record, f"{found.table.valid_accuracy.iloc[-1]:.0f} % on held-out images"
    return f"Kept supernet ({r['scale']}; {r['data']}; one seed; {reached}), looked at on images that it has not seen."


def kept_range(names: Sequence[str], *, figures_dir: str | Path = "figures") -> str:
    """`63 to 78 % on held-out images`: what several kept supernets reached; nothing of those that are not here."""
    found = [kept(f"{FOLDER}/{name}", figures_dir=figures_dir) for name in names]
    ends = [each.table.valid_accuracy.iloc[-1] for each in found if each]
    return f"{min(ends):.0f} to {max(ends):.0f} % on held-out images" if ends else ""


def kept_supernet(name: str, *, figures_dir: str | Path = "figures") -> SearchState:
    """The trained supernet `name` (a key of METHOD_OF) at the end of its search, as every analysis takes it.

    Its images are those of the embedded sample: `train` the 4,000 training images, `valid` the 1,000 test images,
    which neither weights nor alpha have seen; the optimisers are fresh. Raises ValueError for an unknown name and for
    files that do not belong together, FileNotFoundError where there are none.
    """
    method, found = supernet_method(name), kept(f"{FOLDER}/{name}", figures_dir=figures_dir)
    if found is None:
        raise FileNotFoundError(f"no supernet {_weights_file(name, figures_dir)}: {_cure(name)}")
    content = read_whole(_weights_file(name, figures_dir))
    if content is None or checksum(content) != found.record["weights"]:
        raise ValueError(
            f"{_weights_file(name, figures_dir)} is missing or is not what {name}.json tells of: {_cure(name)}"
        )
    saved = torch.load(io.BytesIO(gzip.decompress(content)), weights_only=True)
    data = _sample(tuple(found.record["mean"]), tuple(found.record["std"]))
    state = begin(method, data, _on_sample(found.record["config"]))
    state.net.load_state_dict({key: v.float() if v.is_floating_point() else v for key, v in saved["net"].items()})
    state.relaxation.load_state_dict(saved["relaxation"])
    state.extra, state.epoch = dict(saved["extra"]), state.config.epochs
    return state


def supernet_method(name: str) -> Method:
    """The method of a kept supernet, without what follows its search. Raises ValueError for an unknown name."""
    if name not in METHOD_OF:
        raise ValueError(f"no kept supernet {name!r}{nearest(name, METHOD_OF)}; there are {', '.join(METHOD_OF)}")
    method = replace(METHODS[METHOD_OF[name]], name=name, then=None, select=None)
    return replace(method, space=sharp_space("sharp", choke=8)) if name == "sharpdarts" else method


def _weights_file(name: str, figures_dir: str | Path) -> Path:
    return runs_folder(figures_dir) / FOLDER / f"{name}.pt.gz"


def _cure(name: str) -> str:
    return f"restore it from git, or make it again with: python -m nasnb.workflow.kept_supernets {name}"


def _on_sample(plain: dict[str, Any]) -> SearchConfig:
    """The config of the search, but with all images of `_sample`, of which the first 4,000 are to train on."""
    plain = plain | {"alpha_betas": tuple(plain["alpha_betas"])}
    return replace(SearchConfig(**plain), train_images=None, train_fraction=0.8, shuffled_split=False)


def _sample(mean: tuple[float, ...], std: tuple[float, ...]) -> Data:
    """The embedded images, normalised as in training; those of the test at the end of `train`, to validate on."""
    sample = load("fashion-sample", image_size=SIDE)
    both = [torch.cat([getattr(part, what) for part in (sample.train, sample.test)]) for what in ("images", "labels")]
    return replace(sample, train=Split(*both), mean=mean, std=std)


# --- making them ------------------------------------------------------------------------------------------------------


def make_supernet(
    name: str, data: Data, *, runs_dir: str | Path = "runs", figures_dir: str | Path = "figures", **changes: Any
) -> None:
    """Train one of METHOD_OF on `data`, or go on with it, and keep it; `changes` are numbers of the config."""
    method = supernet_method(name)
    k = method.mix.k if isinstance(method.mix, PartialMix) else 1
    config = METHODS["darts-1st"].at("laptop", **SIZE | changes)
    # where candidates see 1/k of the channels there are k times as many
    found = run_search(method, data, replace(config, channels=k * config.channels), runs_dir=runs_dir)
    keep_supernet(name, found, data, figures_dir=figures_dir)


def keep_supernet(name: str, found: Result, data: Data, *, figures_dir: str | Path = "figures") -> None:
    """Write what a search on `data` ended with: weights as float16, alpha, history, record."""
    state = found.state()
    weights = {
        key: value.half() if value.is_floating_point() else value for key, value in state.net.state_dict().items()
    }
    file = io.BytesIO()
    torch.save({"net": weights, "relaxation": state.relaxation.state_dict(), "extra": state.extra}, file)
    content = gzip.compress(file.getvalue(), mtime=0)
    path = _weights_file(name, figures_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    record = {key: found.record[key] for key in ("device", "commit", "seconds", "seed", "genotype", "checksum")}
    record |= {"data": f"{data.name}, {len(state.train) + len(state.valid):,} of its training images"}
    record |= {"config": asdict(state.config), "mean": data.mean, "std": data.std, "scale": _scale(state)}
    record |= {"weights": checksum(content), "commit": str(record["commit"])}
    use_style()
    figure = _curves(found)
    keep(f"{FOLDER}/{name}", svg(figure), found.history, record, figures_dir=figures_dir)
    plt.close(figure)


def _scale(state: SearchState) -> str:
    c = state.config
    return f"{c.cells} cells, {c.channels} channels, {state.data.image_size[1]} px, {c.epochs} epochs"


def _curves(found: Result) -> plt.Figure:
    figure, ax = plt.subplots(figsize=(4, 2.6))
    for part in ("train", "valid"):
        ax.plot(found.history.epoch, found.history[f"{part}_accuracy"], marker="o", label=part)
    ax.set(xlabel="epoch", ylabel="accuracy of the supernet (%)")
    ax.legend()
    return figure


def make_all(arguments: Sequence[str] | None = None) -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m nasnb.workflow.kept_supernets", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(METHOD_OF)} (default: all)")
    parser.add_argument("--data-dir", help="folder that holds Fashion-MNIST")
    parser.add_argument("--runs-dir", default="runs")
    parser.add_argument("--figures-dir", default="figures")
    a = parser.parse_args(arguments)
    for name in a.names:
        supernet_method(name)
    data = load("fashion-mnist", data_dir=a.data_dir, image_size=SIDE)
    for name in a.names or METHOD_OF:
        make_supernet(name, data, runs_dir=a.runs_dir, figures_dir=a.figures_dir)


if __name__ == "__main__":
    make_all()
