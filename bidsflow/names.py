"""BIDS names as values: parse a path, build a path, order the entities. Pure: no file is opened.

Comes in: a path relative to the dataset, or its parts. Goes out: `BidsName`, or the path as text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from bidsflow.errors import EntityError, PathNameError

#: Short names of the entities in the order that BIDS prescribes (BIDS schema, ``rules.entities``;
#: a test compares this tuple with the installed schema).
ENTITY_ORDER: tuple[str, ...] = (
    "sub", "tpl", "ses", "cohort", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain", "rec",
    "dir", "run", "mod", "echo", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split", "recording",
    "chunk", "atlas", "seg", "scale", "res", "den", "label", "desc",
)  # fmt: skip

_RANK = {key: rank for rank, key in enumerate(ENTITY_ORDER)}
_LABEL = re.compile(r"[0-9a-zA-Z+]+")
_EXTENSION = re.compile(r"(?:\.[0-9a-zA-Z]+)*/?")
_INDEX = re.compile(r"_(run|echo|flip|inv|split)-0+(?=[0-9])([0-9]+)(?=_)")
_PLAIN = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L",
                        "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i"})  # fmt: skip
_NOT_LABEL = re.compile(r"[^0-9a-zA-Z]+")


@dataclass(frozen=True, slots=True)
class BidsName:
    """The name of one file of a BIDS dataset.

    Attributes
    ----------
    sub : str
        Subject label, without ``sub-``.
    datatype : str
        Folder of the file: ``anat``, ``func``, ...
    suffix : str
        Last part of the name: ``T1w``, ``bold``, ...
    ext : str
        Extension with its dots, ``""`` for the name that an image and its companions share.
    ses : str
        Session label, ``""`` where there are no sessions.
    entities : tuple of (str, str)
        The other entities, in the order of BIDS.

    Examples
    --------
    >>> str(BidsName(sub="01", datatype="func", suffix="bold", entities=(("task", "rest"),)))
    'sub-01/func/sub-01_task-rest_bold'
    """

    sub: str
    datatype: str
    suffix: str
    ext: str = ""
    ses: str = ""
    entities: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for key, value in (("sub", self.sub), *(() if not self.ses else (("ses", self.ses),)), *self.entities):
            if key not in _RANK:
                raise PathNameError(f"{key}-{value}", f"{key!r} is not an entity of BIDS")
            if not _LABEL.fullmatch(value):
                raise EntityError(key, value)
        keys = [key for key, _ in self.entities]
        if keys != sorted(set(keys), key=_RANK.__getitem__):
            object.__setattr__(self, "entities", order_entities(self.entities))

    @property
    def stem(self) -> str:
        """File name without folder and extension."""
        pairs = [("sub", self.sub), *([("ses", self.ses)] if self.ses else []), *self.entities]
        return "_".join([f"{key}-{value}" for key, value in pairs] + [self.suffix])

    @property
    def folder(self) -> str:
        """Folder of the subject, or of the session where there is one, relative to the dataset."""
        return f"sub-{self.sub}/ses-{self.ses}" if self.ses else f"sub-{self.sub}"

    def entity(self, key: str) -> str:
        """Return the value of an entity, ``""`` where the name has none."""
        return dict(self.entities).get(key, "")

    def with_entity(self, key: str, value: str) -> BidsName:
        """Return the same name with one entity set, or taken away by ``""``."""
        kept = [pair for pair in self.entities if pair[0] != key]
        pairs = order_entities(tuple([*kept, (key, value)] if value else kept))
        return BidsName(self.sub, self.datatype, self.suffix, self.ext, self.ses, pairs)

    def with_ext(self, ext: str) -> BidsName:
        """Return the same name with another extension."""
        return BidsName(self.sub, self.datatype, self.suffix, ext, self.ses, self.entities)

    def __str__(self) -> str:
        return f"{self.folder}/{self.datatype}/{self.stem}{self.ext}"


def order_entities(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return entities in the order of BIDS.

    Raises
    ------
    PathNameError
        If an entity is unknown or stands twice.
    """
    seen: set[str] = set()
    for key, value in pairs:
        if key not in _RANK:
            raise PathNameError(f"{key}-{value}", f"{key!r} is not an entity of BIDS")
        if key in seen:
            raise PathNameError(f"{key}-{value}", f"the entity {key!r} stands twice")
        seen.add(key)
    return tuple(sorted(pairs, key=lambda pair: _RANK[pair[0]]))


def parse_name(path: str) -> BidsName:
    """Return the parts of a file's path relative to its dataset.

    Raises
    ------
    PathNameError
        If the path is absolute, leaves the dataset, or does not have the form
        ``sub-<label>/[ses-<label>/]<datatype>/sub-<label>[_ses-<label>][_<key>-<label>]_<suffix>[.ext]``.
    EntityError
        If a label holds anything but letters and digits.

    Examples
    --------
    >>> parse_name("sub-01/anat/sub-01_T1w.nii.gz").suffix
    'T1w'
    """
    parts = tuple(path.split("/"))
    if not {"", ".", ".."}.isdisjoint(parts):
        raise PathNameError(path, "it must be relative to the dataset, without '..'")
    if len(parts) not in (3, 4):
        raise PathNameError(path, "expected sub-<label>/[ses-<label>/]<datatype>/<name>")
    stem, dot, ext = parts[-1].partition(".")
    *pieces, suffix = stem.split("_")
    pairs = tuple(_split_entity(path, piece) for piece in pieces)
    keyed = dict(pairs)
    sub, ses = keyed.get("sub", ""), keyed.get("ses", "")
    folders = (f"sub-{sub}", f"ses-{ses}")[: len(parts) - 2]
    if not sub or not suffix or "-" in suffix or parts[: len(parts) - 2] != folders or (len(parts) == 3 and ses):
        raise PathNameError(path, "its folders and its name do not agree on subject and session")
    checks = ("datatype", parts[-2], _LABEL), ("suffix", suffix, _LABEL), ("extension", dot + ext, _EXTENSION)
    for part, text, form in checks:
        if not form.fullmatch(text):
            raise PathNameError(path, f"its {part} {text!r} may hold letters and digits only")
    rest = tuple(pair for pair in pairs if pair[0] not in ("sub", "ses"))
    order_entities(pairs)
    name = BidsName(sub, parts[-2], suffix, dot + ext, ses, rest)
    if str(name) != path:
        raise PathNameError(path, f"its entities are out of order; BIDS writes {name}")
    return name


def home_of(path: str) -> str:
    """Return the folder of the subject, or of the session, in which a name of BIDS lies: `BidsName.folder`, unchecked.

    What a dataset holds was checked when it was named: whoever looks for a few among tens of thousands need not parse.

    Examples
    --------
    >>> home_of("sub-01/ses-02/anat/sub-01_ses-02_T1w"), home_of("sub-01/anat/sub-01_T1w.nii.gz")
    ('sub-01/ses-02', 'sub-01')
    """
    return path.rpartition("/")[0].rpartition("/")[0]


def subject_of(path: str) -> str:
    """Return the label of the subject whose a name of BIDS is: `BidsName.sub`, unchecked.

    Examples
    --------
    >>> subject_of("sub-01/ses-02/anat/sub-01_ses-02_T1w")
    '01'
    """
    return path.partition("/")[0].removeprefix("sub-")


def task_of(path: str) -> str:
    """Return the label of the task of a name of BIDS: its entity ``task``, unchecked.

    Examples
    --------
    >>> task_of("sub-01/func/sub-01_task-rest_run-2_bold"), task_of("sub-01/anat/sub-01_T1w")
    ('rest', '')
    """
    return path.partition("_task-")[2].partition("_")[0]


def _split_entity(path: str, piece: str) -> tuple[str, str]:
    key, dash, value = piece.partition("-")
    if not dash or not value:
        raise PathNameError(path, f"{piece!r} is not <key>-<label>")
    return key, value


def slot_of(path: str) -> str:
    """Return what two paths share that no one can tell apart: case is set aside, and so are zeros before an index.

    ``run-1`` and ``run-01`` are one run (BIDS, entity definitions: an index), and many disks do not tell cases apart
    (BIDS, "Case collision").

    Examples
    --------
    >>> slot_of("sub-01/func/sub-01_task-rest_run-01_bold") == slot_of("sub-01/func/sub-01_task-Rest_run-1_bold")
    True
    """
    return _INDEX.sub(r"_\1-\2", path).lower()


def to_plain_letters(text: str) -> str:
    """Return a text without accents, and letters that ASCII does not have as those that stand nearest.

    Letters and digits of other scripts are written in Latin ones (by anyascii, without the signs that it has for
    sounds).

    Examples
    --------
    >>> to_plain_letters("Gedächtnis, mémoire, Ørsted")
    'Gedachtnis, memoire, Orsted'
    >>> to_plain_letters("Покой, 左手")
    'Pokoy, ZuoShou'
    """
    if text.isascii():
        return text
    return "".join(map(_to_plain, unicodedata.normalize("NFC", text)))


def _to_plain(letter: str) -> str:
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFKD", letter.translate(_PLAIN))
    plain = "".join(part for part in parts if not unicodedata.combining(part))
    is_accent = unicodedata.name(letter, "").startswith("COMBINING")  # other marks are vowels of their script
    if plain.isascii() and (plain or is_accent):
        return plain
    if unicodedata.category(letter)[0] not in "LMN":  # signs, which part words
        return plain
    from anyascii import anyascii  # its tables cost a few ms, and most texts need none

    return str(anyascii(letter)).replace("'", "")


def to_label(text: str) -> str:
    """Return the letters and digits of a text, as BIDS labels allow them; words are joined in camelCase.

    Examples
    --------
    >>> to_label("finger tapping_2"), to_label("mémoire")
    ('fingerTapping2', 'memoire')
    """
    words = [word for word in _NOT_LABEL.split(to_plain_letters(text)) if word]
    return "".join(words[:1] + [word[0].upper() + word[1:] for word in words[1:]])
