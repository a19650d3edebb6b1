"""A run: a named folder in which a search or a training survives whatever stops it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasnb.config import SearchConfig, TrainConfig, to_dict
from nasnb.device.distributed import any_says, first_says, rank
from nasnb.runs import checkpoint
from nasnb.runs.files import locked, read_json, runs_folder
from nasnb.runs.identity import describe, folder_name
from nasnb.runs.progress import say
from nasnb.runs.record import commit, version
from nasnb.runs.result import Result, read_result
from nasnb.runs.session import SAVE_EVERY, Session, Task, restore
from nasnb.runs.signals import Pending, held_back


class Run:
    """`Run(kind, ...).finish(task)` loads what is finished, goes on with what is not, and begins what is new.

    `facts` are further things that determine the result: parts of the method, a genotype. `data` is anything with a
    name, a checksum and `train.images`.
    """

    def __init__(self, kind: str, *, method: str, config: SearchConfig | TrainConfig, data: Any,
                 runs_dir: str | Path, facts: Mapping[str, Any]):
        self.identity = {
            "kind": kind,
            "method": method,
            "config": describe(to_dict(config)),
            "data": {"name": data.name, "checksum": data.checksum},
            "version": version(),
            "facts": describe(facts),
        }
        self.name = folder_name(self.identity)
        self.folder = runs_folder(runs_dir) / self.name
        self.device = data.train.images.device

    def finish(self, task: Task, *, save_every: float = SAVE_EVERY) -> Result:
        """The result, computed as far as it is missing.

        SIGINT and SIGTERM save the state at the next step before they act. Raises RuntimeError if another process is
        at it, OSError if the folder cannot be written, and whatever the computation raises; the last checkpoint stays.
        """
        if first_says(self.is_finished()):
            say(f"{self.name}: loaded{self._made_elsewhere()}, nothing computed")
        elif rank() > 0:
            self._follow(task)
        else:
            state = task.begin()  # before the folder is made: a mistake in the config leaves nothing behind
            with locked(self.folder), held_back() as pending:
                if not first_says(self.is_finished()):  # another process may have ended it just now
                    Session(self, task, state, pending=pending, save_every=save_every).work()
            first_says(None)  # the folder is whole
        return read_result(self.folder, lambda: self._rebuild(task))

    def is_finished(self) -> bool:
        """Whether nothing is left to compute."""
        record = self.read_record()
        return record is not None and record["state"] == "finished"

    def read_record(self) -> dict[str, Any] | None:
        """None before the first start. Raises ValueError for a record that is damaged or of another run."""
        path = self.folder / "record.json"
        if not path.exists():
            return None
        record = read_json(path)
        if not isinstance(record, dict) or record.get("name") != self.name:
            raise ValueError(f"{path} is no record of {self.name}: remove the folder and run again")
        return record

    def _made_elsewhere(self) -> str:
        then, here = self.read_record()["commit"], commit(Path(__file__).parent)["commit"]
        return f" (computed at commit {then[:7]})" if then and then != here else ""

    def _follow(self, task: Task) -> None:
        """Take the same steps as process 0 (see nasnb.device.distributed), which alone writes."""
        state = task.begin()
        if not first_says(None):
            first_says(None)  # the checkpoints are in order
            saved = checkpoint.load_checkpoint(self.folder, name=self.name, device=self.device)
            if saved:
                restore(state, saved, self.folder)
            with held_back() as pending:
                for _ in task.epochs(state, lambda _: _stop_together(pending)):
                    pass
        first_says(None)

    def _rebuild(self, task: Task) -> Any:
        saved = checkpoint.load_checkpoint(self.folder, name=self.name, device=self.device)
        if saved is None:
            raise FileNotFoundError(f"{self.folder} has no whole checkpoint: remove the folder and run again")
        state = task.begin()
        restore(state, saved, self.folder)
        return state


def _stop_together(pending: Pending) -> None:
    if any_says(pending.signal is not None):
        raise KeyboardInterrupt
