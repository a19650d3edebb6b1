"""A run: a named folder in which a search or a training survives whatever stops it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasnb.config import SearchConfig, TrainConfig, to_dict
from nasnb.device.distributed import any_says, first_says, n_processes, rank
from nasnb.runs import checkpoint
from nasnb.runs.estimate import NotComputed, foresight
from nasnb.runs.files import read_whole, runs_folder, set_aside
from nasnb.runs.identity import describe, folder_name
from nasnb.runs.locks import locked
from nasnb.runs.progress import say
from nasnb.runs.record import commit, is_record, version
from nasnb.runs.result import Damaged, Result, read_files, read_result
from nasnb.runs.session import SAVE_EVERY, Session, Task, restore
from nasnb.runs.signals import Pending, held_back


class Run:
    """`Run(kind, ...).finish(task)` loads what is finished, goes on with what is not, and begins what is new.

    `facts` are further things that determine the result: parts of the method, a genotype. `data` is anything with a
    name, a checksum and `train.images`.
    """

    def __init__(
        self,
        kind: str,
        *,
        method: str,
        config: SearchConfig | TrainConfig,
        data: Any,
        runs_dir: str | Path,
        facts: Mapping[str, Any],
    ):
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
        return read_result(self.folder, lambda epoch: self._rebuild(task, epoch))

    def is_finished(self) -> bool:
        """Whether nothing is left to do, and all files of results are as the record says. Raises OSError if one of
        them is there and cannot be read.
        """
        record = self.read_record()
        if record is None or record["state"] != "finished":
            return False
        try:
            read_files(self.folder, record)
        except Damaged as error:
            warnings.warn(f"{error}: made again from the last checkpoint", stacklevel=2)
            return False
        return True

    def read_record(self, *, mend: bool = False) -> dict[str, Any] | None:
        """None before the first start, and with a warning for a record that is damaged or of another run.

        To `mend` (only under the folder's lock) sets that one aside. Raises OSError for one that cannot be read now.
        """
        path = self.folder / "record.json"
        content = read_whole(path)
        if content is None:
            return None
        try:
            record = json.loads(content)
        except ValueError:
            record = None
        if is_record(record) and record["name"] == self.name:
            return record
        why = "belongs to another run" if is_record(record) else "is damaged"
        if mend:
            set_aside(path, why)
        else:
            warnings.warn(f"record.json of {self.name} {why}: made again from the last checkpoint", stacklevel=3)
        return None

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

    def _rebuild(self, task: Task, epoch: int) -> Any:
        """The state after so many epochs, which is the end: loaded, and what is missing of it computed."""
        saved = checkpoint.load_checkpoint(self.folder, name=self.name, device=self.device)
        state = task.begin()
        found = len(saved["history"]["rows"]) if saved else 0
        if saved and found >= epoch:
            restore(state, saved, self.folder)
            return state
        missing = f"{self.name}: the newest whole checkpoint is of epoch {found} of {epoch}"
        if n_processes() > 1:
            raise RuntimeError(f"{missing}: run it in one process once, which computes the rest")
        if foresight() is not None:
            raise NotComputed(missing)
        say(f"{missing}; the rest is computed again")
        with locked(self.folder), held_back() as pending:
            Session(self, task, state, pending=pending, save_every=SAVE_EVERY).work()
        return state


def _stop_together(pending: Pending) -> None:
    if any_says(pending.signal is not None):
        raise KeyboardInterrupt
