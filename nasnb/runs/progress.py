"""One line that shows how far a run is: a bar in a terminal, one updated output in a notebook."""

from __future__ import annotations

import sys

from tqdm import tqdm

WIDTH = 100


class _Output:
    """A file for tqdm: each line replaces the last one, so that an executed notebook keeps only the final one."""

    def __init__(self):
        from IPython.display import display

        self.handle = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text: str) -> None:
        if text.strip():
            self.handle.update({"text/plain": text.strip()}, raw=True)

    def flush(self) -> None:
        pass


class Progress:
    """`with Progress(total=, done=, label=) as progress`: advance it step by step, end with a sentence."""

    def __init__(self, *, total: int, done: int, label: str):
        self.notes: dict[str, object] = {}
        self.file = _Output() if in_notebook() else sys.stderr
        self.bar = tqdm(
            total=total,
            initial=done,
            desc=label,
            file=self.file,
            ncols=WIDTH,
            mininterval=0.5,
            leave=False,
            unit="step",
        )

    def advance(self) -> None:
        """One step done."""
        self.bar.update()

    def epoch(self, *, epoch: int, accuracy: float, steps_left: int) -> None:
        """An epoch done; the number of steps to come may have changed with it."""
        self.bar.total = self.bar.n + steps_left
        self.note(epoch=epoch, accuracy=f"{accuracy:.1f} %")

    def note(self, **values: object) -> None:
        """Shown behind the bar from now on."""
        self.notes |= values
        self.bar.set_postfix(self.notes, refresh=False)

    def end(self, sentence: str) -> None:
        """Replace the bar by its last word."""
        self.bar.close()
        self.file.write(f"{sentence}\n")

    def seconds_left(self) -> float | None:
        """From the steps done since this process began; None before the first."""
        timing = self.bar.format_dict
        done = timing["n"] - timing["initial"]
        return (timing["total"] - timing["n"]) * timing["elapsed"] / done if done else None


def say(sentence: str) -> None:
    """One line, where the bar would be."""
    if in_notebook():
        _Output().write(sentence)
    else:
        tqdm.write(sentence, file=sys.stderr)


def in_notebook() -> bool:
    """Whether a Jupyter kernel shows what we write."""
    if "IPython" not in sys.modules:
        return False
    return type(sys.modules["IPython"].get_ipython()).__name__ == "ZMQInteractiveShell"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `5 h 7 min`."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def size(n_bytes: int) -> str:
    """`1.3 GiB`."""
    return f"{n_bytes / 2**30:.1f} GiB"
