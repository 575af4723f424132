"""What a dataset holds, summed up as the reference validator does."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from bidsflow.errors import FileFault
from bidsflow.validate.check import Traits
from bidsflow.validate.compile.javascript import parse_float
from bidsflow.validate.readers.tsv import load_tsv
from bidsflow.validate.report import Summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from bidsflow.validate.context.walk import File, Folder

#: The modalities that the reference counts, and how they are written; it lists others behind them, as they come.
_MODALITIES: Final = {"mri": "MRI", "pet": "PET", "meg": "MEG", "eeg": "EEG", "ieeg": "iEEG"}
_SECONDARY: Final = {
    "dwi": "MRI_Diffusion", "anat": "MRI_Structural", "func": "MRI_Functional", "perf": "MRI_Perfusion",
}  # fmt: skip
_SECONDARY_ORDER: Final = (*_SECONDARY.values(), "PET_Static", "PET_Dynamic")
_PET: Final = {
    "acstat": "PET_Static", "nacstat": "PET_Static", "acdyn": "PET_Dynamic", "nacdyn": "PET_Dynamic",
}  # fmt: skip
_PARTICIPANT: Final = {"participant_id": "participantId", "age": "age", "sex": "sex", "group": "group"}


def sum_up(
    tree: Folder, found: Iterable[tuple[File, tuple[Any, ...]]], description: Mapping[str, Any], schema: str
) -> Summary:
    """Return what a dataset holds.

    Parameters
    ----------
    tree : Folder
        Its names.
    found : iterable of (File, tuple)
        What was checked, with its `Traits`.
    description : mapping
        Of the dataset.
    schema : str
        Version of the schema that was asked.

    Returns
    -------
    summary : Summary
    """
    counted = [(file, Traits(*traits)) for file, traits in found if not file.is_folder or file.size]
    modalities = Counter(traits.modality for _, traits in counted if traits.modality)
    secondary = Counter(
        kind for _, traits in counted if (kind := _find_secondary(traits.datatype, traits.reconstruction))
    )
    return Summary(
        subjects=_keep_first(traits.subject for _, traits in counted),
        sessions=_keep_first(traits.session for _, traits in counted),
        tasks=_keep_first(traits.task for _, traits in counted),
        modalities=rank_modalities(modalities),
        secondary_modalities=tuple(
            sorted(secondary, key=lambda name: (-secondary[name], _SECONDARY_ORDER.index(name)))
        ),
        data_types=_keep_first(traits.datatype for _, traits in counted),
        total_files=len(counted),
        size=sum(file.size for file, _ in counted),
        data_processed=description.get("DatasetType") == "derivative",
        schema_version=schema,
        subject_metadata=tuple(_read_subjects(tree)),
    )


def rank_modalities(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Return modalities in the order in which the reference lists them.

    Parameters
    ----------
    counts : mapping of str to int
        How many files there are of each.

    Returns
    -------
    names : tuple of str
        As they are written, the most frequent first, MRI behind its equals; then those that the reference does not
        count.

    Examples
    --------
    >>> rank_modalities({"motion": 9, "mri": 2, "pet": 2})
    ('PET', 'MRI', 'motion')
    """
    counted = (name for name in _MODALITIES if counts.get(name))
    ranked = sorted(counted, key=lambda name: (-counts[name], name == "mri"))
    return (*(_MODALITIES[name] for name in ranked), *(name for name in counts if name not in _MODALITIES))


def _find_secondary(datatype: str, reconstruction: str) -> str:
    if datatype == "pet":
        return _PET.get(reconstruction, "")
    return _SECONDARY.get(datatype, "")


def _keep_first(values: Iterable[str | None]) -> tuple[str, ...]:
    """Return what is there, each once, in the order of the first."""
    return tuple(dict.fromkeys(value for value in values if value))


def _read_subjects(tree: Folder) -> Iterator[dict[str, Any]]:
    """Give what participants.tsv says of each participant."""
    file = tree.files.get("participants.tsv")
    try:
        columns = load_tsv(file.disk, -1) if file else {}
    except FileFault:
        return
    if "participant_id" not in columns:
        return
    names = [name for name in _PARTICIPANT if name in columns]
    for values in zip(*(columns[name] for name in names), strict=True):
        subject: dict[str, Any] = {_PARTICIPANT[name]: value for name, value in zip(names, values, strict=True)}
        subject["participantId"] = subject["participantId"].removeprefix("sub-")
        if "age" in subject and subject["age"] != "89+":
            age = parse_float(subject["age"])
            subject["age"] = age if age == age else None  # noqa: PLR0124  NaN is null in JSON
        yield subject
