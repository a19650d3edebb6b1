"""Run folders: names, checkpoints, records, results. The only owner of file names.

The names below are imported when they are first used: who only reads folders needs no torch.
"""

from importlib import import_module

_HOMES = {
    "Finished": "result",
    "Result": "result",
    "Run": "run",
    "Task": "session",
    "compare": "table",
    "find_runs": "table",
    "gather": "gathered",
    "run_once": "once",
}

__all__ = [*_HOMES]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'nasnb.runs' has no attribute {name!r}")
    return getattr(import_module(f"nasnb.runs.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
