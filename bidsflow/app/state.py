"""What a derivative dataset knows of each participant: done or failed, from which inputs, with which parameters.

Kept below ``.bidsflow/``: ``finished/sub-01.json`` is written last of all that a participant gets, in the same commit;
``failed/sub-01.json`` says that a later attempt failed; ``group.json`` is of the group level.
"""

from __future__ import annotations

import fcntl
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from bidsflow.app.provenance import FileState, Input
from bidsflow.dataset.describe import to_json
from bidsflow.dataset.tree import Dataset, open_dataset
from bidsflow.dataset.write import write_durably

_LOCKS = 64
_ROOMS = ("finished", "failed")
_ABOUT = """\
This folder belongs to bidsflow. Nothing in it is needed to use the derivatives.

finished/  which participants are done, from which inputs; without it everything is done again
failed/    which participants could not be done when they were last tried, and why
journal/   commits under way; the next command finishes them
staging/   what is being written; removed when a run ends
work/      intermediate files, unless --work-dir says another place; may be deleted when all is done
"""


def open_derivatives(root: Path) -> Dataset:
    """Open a derivative dataset, or make a new one.

    Raises
    ------
    DatasetError
        If the folder cannot be made, or holds what is not ours.
    StorageError
        If the disk is full.
    """
    return open_dataset(root, rooms=_ROOMS, about=_ABOUT)


@dataclass(frozen=True, slots=True)
class Setting:
    """How results were made, so far as it decides what they are.

    Attributes
    ----------
    version : str
        Of the pipeline.
    params : mapping
        Parameters with their values.
    methods : str
        What the pipeline said of itself then; ``[@key]`` refers to a citation.
    versions : mapping of str to str
        Of bidsflow and of what did the work.
    """

    version: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    methods: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_params(self, kind: type) -> Any:
        """Return the parameters as the dataclass of a pipeline; what that does not know any more is left out."""
        known = {one.name for one in fields(kind)}
        return kind(**{name: value for name, value in self.params.items() if name in known})

    @property
    def key(self) -> str:
        """A text that is the same for results that were made alike."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Marker:
    """What is noted of a participant that is done.

    Attributes
    ----------
    task : str
        Digest of the pipeline and its parameters.
    inputs : mapping of str to Input
        The images that its derivatives were made of, by BIDS URI.
    run : str
        The run that was the last to write.
    files : tuple of str
        Its derivatives.
    setting : Setting
        How they were made.
    """

    task: str = ""
    inputs: Mapping[str, Input] = field(default_factory=dict)
    run: str = ""
    files: tuple[str, ...] = ()
    setting: Setting = Setting()

    def add_to(self, before: Marker, kept: Sequence[str]) -> Marker:
        """Return the note of a run on some of the images, after an earlier run on others."""
        same = before.inputs if before.task == self.task else {}
        files = tuple(sorted({*self.files, *kept}))
        return Marker(self.task, {**same, **self.inputs}, self.run, files, self.setting)

    def to_plain(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return asdict(self)


def marker_file(dataset: Dataset, label: str) -> Path:
    """Return where it is noted that a participant is done; the last thing that is written."""
    return dataset.state / "finished" / f"sub-{label}.json"


def read_marker(dataset: Dataset, label: str) -> Marker:
    """Return what is noted of a participant that is done; an empty note where it is not, or where it is damaged."""
    stored = read_json(marker_file(dataset, label))
    try:
        inputs = {
            str(uri): Input(tuple(FileState(**each) for each in one["files"]), one["digest"])
            for uri, one in stored["inputs"].items()
        }
        files = tuple(map(str, stored["files"]))
        return Marker(str(stored["task"]), inputs, str(stored["run"]), files, Setting(**stored["setting"]))
    except (KeyError, TypeError, AttributeError):
        return Marker()


@contextmanager
def writing(dataset: Dataset, label: str) -> Iterator[None]:
    """Keep others from bringing in results of a participant; they wait. The lock ends with the process.

    A few locks serve all participants: of a hundred thousand, a file each would be a burden.
    """
    room = dataset.state / "locks"
    room.mkdir(exist_ok=True)
    with (room / f"{zlib.crc32(label.encode()) % _LOCKS:02}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def list_finished(dataset: Dataset) -> tuple[str, ...]:
    """Return the participants that are done, without ``sub-``."""
    return _list_labels(dataset.state / "finished")


def _list_labels(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(one.stem.removeprefix("sub-") for one in folder.glob("sub-*.json")))


def note_failure(dataset: Dataset, label: str, reason: str, run: str) -> None:
    """Note that a participant could not be done; results of an earlier run stay where they are."""
    text = to_json({"reason": reason, "run": run})
    write_durably(dataset.state / "failed" / f"sub-{label}.json", text.encode())


def forget_failure(dataset: Dataset, label: str) -> None:
    """Forget that a participant failed: what is there is what was asked for."""
    (dataset.state / "failed" / f"sub-{label}.json").unlink(missing_ok=True)


def read_failures(dataset: Dataset, labels: Sequence[str] | None = None) -> dict[str, str]:
    """Return why participants failed when they were last tried, by label; all of them, or only some."""
    folder = dataset.state / "failed"
    files = {label: folder / f"sub-{label}.json" for label in (_list_labels(folder) if labels is None else labels)}
    return {label: str(read_json(file).get("reason", "unknown")) for label, file in files.items() if file.is_file()}


def group_file(dataset: Dataset) -> Path:
    """Return where it is noted what the group level made, and of whom."""
    return dataset.state / "group.json"


def list_settings(dataset: Dataset, labels: Sequence[str]) -> list[tuple[Setting, tuple[str, ...]]]:
    """Return how participants were made and who was made so, the most frequent way first."""
    found: dict[str, tuple[Setting, list[str]]] = {}
    for label in labels:
        setting = read_marker(dataset, label).setting
        found.setdefault(setting.key, (setting, []))[1].append(label)
    return sorted(((setting, tuple(who)) for setting, who in found.values()), key=lambda one: (-len(one[1]), one[1]))


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; empty where there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
