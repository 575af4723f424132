"""How to set right what is found most often, and the meanings of codes made fit to be read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_ENTITIES: Final = "see https://bids-specification.readthedocs.io/en/stable/appendices/entity-table.html"

#: By code: what to do, in a sentence or two.
FIXES: Final[Mapping[str, str]] = {
    "ALL_FILENAME_RULES_HAVE_ISSUES": f"Compare the name with the table of entities; {_ENTITIES}.",
    "AMBIGUOUS_AFFINE": "Set sform or qform to the true orientation, or convert the image from DICOM again.",
    "ASSOCIATED_EMPTY_ROOM": "Name the empty-room recording by its path from the root of the dataset, or a BIDS URI.",
    "AUTHORS_AND_CITATION_FILE_MUTUALLY_EXCLUSIVE": "Remove Authors from dataset_description.json.",
    "BLACKLISTED_MODALITY": "Remove the folder, or allow its modality.",
    "BOLD_NOT_4D": "A single volume is an sbref, not a bold: rename it, or convert the series again.",
    "BVAL_MULTIPLE_ROWS": "Write all b-values in one row, separated by spaces.",
    "BVEC_NUMBER_ROWS": "Write three rows (x, y, z) with a value for each volume, separated by spaces.",
    "BVEC_ROW_LENGTH": "Give each of the three rows a value for each volume.",
    "CASE_COLLISION": "Rename one of them: many file systems cannot hold both.",
    "CHECK_ERROR": "The rule that is named says what must hold.",
    "CITATION_CFF_VALIDATION_ERROR": "The message says what is missing; cffconvert --validate checks it, too.",
    "DATATYPE_MISMATCH": "Move the file to the folder of its datatype, or correct its suffix.",
    "DWI_MISSING_BVAL": "Put the .bval beside the image under the same name, or higher up for several images.",
    "DWI_MISSING_BVEC": "Put the .bvec beside the image under the same name, or higher up for several images.",
    "ECHO_TIME_GREATER_THAN": "Give EchoTime in seconds.",
    "EFFECTIVEECHOSPACING_TOO_LARGE": "Give EffectiveEchoSpacing in seconds.",
    "EMPTY_DATASET_NAME": "Give the dataset a Name in dataset_description.json.",
    "EMPTY_FILE": "Fill it, fetch it (git annex get), or remove it.",
    "ENTITY_NOT_IN_RULE": f"Take the entity out of the name; {_ENTITIES}.",
    "ENTITY_WITH_NO_LABEL": "Write each entity as key-label: task-rest.",
    "EVENTS_TSV_MISSING": "Add an events.tsv with onset and duration; a task without events has rest in its label.",
    "EVENT_ONSET_ORDER": "Sort the rows by onset.",
    "EXTENSION_MISMATCH": "Convert or rename the file; a format that BIDS does not know goes below sourcedata/.",
    "FIELDMAP_WITHOUT_MAGNITUDE_FILE": "Add the magnitude image that was acquired with the field map.",
    "FILENAME_MISMATCH": f"Write each entity once, in the order of the standard; {_ENTITIES}.",
    "FILE_READ": "See that the file is there (git annex get), whole, and may be read.",
    "GZIP_HEADER_COMMENT": "Compress again without the comment: gunzip FILE, gzip -n FILE.",
    "GZIP_HEADER_FILENAME": "Compress again without the name: gunzip FILE, gzip -n FILE.",
    "GZIP_HEADER_MTIME": "Compress again without the time: gunzip FILE, gzip -n FILE.",
    "HED_ERROR": "Correct the tag that the message names; see https://www.hedtags.org.",
    "HED_VERSION_NOT_DEFINED": "Add HEDVersion to dataset_description.json.",
    "INTENDED_FOR": "Name files that exist, by BIDS URI (bids::sub-01/func/...) or by path below the subject.",
    "INVALID_ENTITY_LABEL": "Labels are letters and digits; indices (run, echo) are digits only.",
    "INVALID_FILE_ENCODING": "Save the file as UTF-8: iconv -f LATIN1 -t UTF-8 FILE.",
    "INVALID_GZIP": "Compress it (gzip -n), or take .gz off its name if it is not compressed.",
    "INVALID_JSON_ENCODING": "Save the file as UTF-8 without a byte order mark.",
    "INVALID_LOCATION": "Move the file into the folders of the subject and session that its name gives.",
    "JSON_INVALID": "Look for a missing comma, quote or brace, or one too many: python -m json.tool FILE.",
    "JSON_KEY_RECOMMENDED": "Add the keys whose values are known; the dataset is valid without.",
    "JSON_KEY_REQUIRED": "Add the key.",
    "JSON_NOT_AN_OBJECT": "Put the content into braces: {...}.",
    "JSON_SCHEMA_VALIDATION_ERROR": "Correct the value; the message says of what kind it must be.",
    "MISSING_DATASET_DESCRIPTION": 'Add dataset_description.json with at least {"Name": "...", "BIDSVersion": '
    '"1.10.0"}, or give the folder that has one.',
    "MISSING_MAGNITUDE1_FILE": "Add the magnitude image that was acquired with the phase difference.",
    "MISSING_REQUIRED_ENTITY": f"Add the entity to the name, as task-rest to a bold; {_ENTITIES}.",
    "MISSING_SESSION": "Nothing is to be done if these sessions did not take place.",
    "MULTIPLE_INHERITABLE_FILES": "Let one sidecar of each folder apply, or make their names more specific.",
    "NIFTI_HEADER_UNREADABLE": "Fetch it (git annex get) or convert it again; --ignore-nifti-headers opens no image.",
    "NIFTI_PIXDIM": "Set the size of the voxels in the header.",
    "NIFTI_UNIT": "Set xyzt_units in the header: 10 for millimetres and seconds.",
    "NOT_INCLUDED": "Correct the name or the folder. Sources go below sourcedata/, results below derivatives/; what "
    "must stay where it is goes into .bidsignore.",
    "NO_AUTHORS": "Add Authors, one name each, to dataset_description.json.",
    "PARTICIPANT_ID_MISMATCH": "Give each sub- folder a row in participants.tsv, and each row a folder.",
    "PHASE_ENCODING_DIRECTION_MUST_DEFINE": "Add PhaseEncodingDirection: i, j or k, with - if reversed.",
    "README_FILE_MISSING": "Add a README that says what was measured, in whom, and how.",
    "README_FILE_SMALL": "Say more of what was measured, in whom, and how.",
    "REPETITION_TIME_GREATER_THAN": "Give RepetitionTime in seconds.",
    "REPETITION_TIME_MISMATCH": "Correct pixdim[4] of the header or RepetitionTime of the sidecar.",
    "REQUIRED_COORDSYSTEM": "Add the coordsystem.json in which the positions of the electrodes are to be read.",
    "SCANS_FILENAME_NOT_MATCH_DATASET": "Name files that exist, by their path from the folder of scans.tsv.",
    "SFORM_AND_QFORM_IN_IMAGE_HEADER_ARE_ZERO": "Set the orientation, or convert the image from DICOM again.",
    "SIDECAR_FIELD_OVERRIDE": "Remove the key from one of the two sidecars.",
    "SIDECAR_KEY_RECOMMENDED": "Add the keys whose values are known, to the sidecar of the file or once to one higher "
    "up; the dataset is valid without.",
    "SIDECAR_KEY_REQUIRED": "Add the key to the sidecar of the file, or once to one higher up (task-rest_bold.json).",
    "SIDECAR_WITHOUT_DATAFILE": "Give it the name of the file that it describes, or remove it.",
    "SLICETIMING_ELEMENTS": "Give SliceTiming a value for each slice.",
    "SLICETIMING_VALUES_GREATER_THAN_REPETITION_TIME": "Give SliceTiming in seconds, not in milliseconds.",
    "STIMULUS_FILE_MISSING": "Put the file below stimuli/, or correct stim_file in events.tsv.",
    "SUBJECT_FOLDERS": "Nothing is to be done if there are no data of single subjects.",
    "SYMLINK_BROKEN": "Fetch what it leads to (git annex get), or remove the link.",
    "SYMLINK_CYCLE": "Put the file in place of the link.",
    "SYMLINK_IN_SUBMODULE": "Fetch the submodule: git submodule update --init, or datalad get -n.",
    "SYMLINK_OUT_OF_TREE": "Copy the file into the dataset.",
    "T1W_FILE_WITH_TOO_MANY_DIMENSIONS": "Split the image, or average its volumes.",
    "TOO_FEW_AUTHORS": "Write each author as an element of its own; nothing is to be done if there is just one.",
    "TOTAL_READOUT_TIME_MUST_DEFINE": "Add TotalReadoutTime or EffectiveEchoSpacing, in seconds.",
    "TSV_ADDITIONAL_COLUMNS_MUST_DEFINE": "Describe the column in the sidecar of the table.",
    "TSV_ADDITIONAL_COLUMNS_NOT_ALLOWED": "Remove or rename the column.",
    "TSV_ADDITIONAL_COLUMNS_UNDEFINED": 'Describe the column in the sidecar of the table: {"age": {"Description": '
    '"..."}}.',
    "TSV_COLUMN_HEADER_DUPLICATE": "Rename one of the two columns.",
    "TSV_COLUMN_MISSING": "Add the column. Look for a misspelling, and for spaces in place of tabs.",
    "TSV_COLUMN_ORDER_INCORRECT": "Move the column to its place.",
    "TSV_COLUMN_TYPE_REDEFINED": "Take the redefinition out of the sidecar, or rename the column.",
    "TSV_EMPTY_LINE": "Remove the line.",
    "TSV_EQUAL_ROWS": "Write n/a where there is no value, and a tab, no spaces, between cells.",
    "TSV_INDEX_VALUE_NOT_UNIQUE": "Correct or remove the row that is there twice.",
    "TSV_PSEUDO_AGE_DEPRECATED": "Write 89 for all ages of 89 and above.",
    "TSV_VALUE_INCORRECT_TYPE": "Correct the value; one that is not known is n/a.",
    "UNKNOWN_BIDS_VERSION": "Correct BIDSVersion in dataset_description.json, or update bidsschematools.",
    "UNUSED_STIMULUS": "Name them in stim_file of an events.tsv, or remove them.",
    "VOLUME_COUNT_MISMATCH": "Give .bval and .bvec a value for each volume of the image.",
}  # fmt: skip

_SPEC: Final = "https://bids-specification.readthedocs.io/en/stable/"
_LINK: Final = re.compile(r"\[([^\]\[]*)\]\([^()]*(?:\([^()]*\)[^()]*)*\)")
_MARK: Final = re.compile(r"</?(?:sub|sup|br|em|b|i) ?/?>|\*{1,2}([A-Za-z][^*\s]*)\*{1,2}")
_SENTENCE: Final = re.compile(r".*?[^.]{4}[.!?](?= [A-Z'\"(])", re.DOTALL)
_FIELD: Final = "Field description: "


def get_fix(code: str) -> str:
    """Return how to set right what a code stands for; ``""`` where nothing is known beyond its meaning."""
    return FIXES.get(code, "")


def to_plain(text: str) -> str:
    r"""Return a text of the schema on one line, without the marks of Markdown.

    Examples
    --------
    >>> to_plain("The `echo` time\n(see [Units](SPEC_ROOT/units.md)).")
    'The echo time (see Units).'
    >>> to_plain('*B*<sub>0</sub> is **MEASURED** in "sub-*" and "ses-*"')
    'B0 is MEASURED in "sub-*" and "ses-*"'
    """
    bare = _MARK.sub(lambda found: found[1] or "", _LINK.sub(r"\1", text))
    return " ".join(bare.replace("`", "").replace("SPEC_ROOT/", _SPEC).split())


def to_printable(text: str) -> str:
    r"""Return a text with what could act on a terminal, or turn a line around, escaped: names may hold anything.

    Examples
    --------
    >>> to_printable("sub\x1b[2J")
    'sub\\x1b[2J'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shorten(text: str, width: int) -> str:
    """Return a text, cut after a word where it is longer than `width`.

    Examples
    --------
    >>> shorten("one two three", 11)
    'one two ...'
    """
    if len(text) <= width:
        return text
    return f"{text[: width - 3].rsplit(' ', 1)[0]} ..."


def get_sentence(text: str) -> str:
    """Return the first sentence of a text.

    Examples
    --------
    >>> get_sentence("Files are empty (e.g. 'x.nii.gz'). Fill them.")
    "Files are empty (e.g. 'x.nii.gz')."
    """
    found = _SENTENCE.match(text)
    return found[0] if found else text


def end_sentence(text: str) -> str:
    """Return a text with a full stop, unless it ends with a sign of its own."""
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def tell_seen(message: str) -> str:
    r"""Return what was seen in a file, without what the standard says of the key.

    Examples
    --------
    >>> tell_seen("must be number\n\nField description: The echo time (TE).")
    'must be number'
    """
    return to_plain(message.split(_FIELD, 1)[0])


def tell_field(message: str) -> str:
    """Return what the standard says of the key that a message is about; ``""`` if nothing."""
    return to_plain(message.split(_FIELD, 1)[1]) if _FIELD in message else ""


def find_page(code: str) -> str:
    """Return where people have asked about a code."""
    return f"https://neurostars.org/search?q={code}"
