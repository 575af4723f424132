"""What each code means: those that the schema defines, and those that only validators know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Codes of the reference validator that no rule of the schema explains.
MEANINGS: Final = {
    "ALL_FILENAME_RULES_HAVE_ISSUES": "Several rules for names could be meant, and the file keeps none of them.",
    "AMBIGUOUS_AFFINE": "The orientation of the image cannot be told: its affine matrix is not valid.",
    "BLACKLISTED_MODALITY": "There are data of a modality that was not to be there.",
    "CASE_COLLISION": "Files of one folder have names that differ in the case of letters only.",
    "CHECK_ERROR": "A check of the schema failed.",
    "CITATION_CFF_VALIDATION_ERROR": "CITATION.cff does not follow the Citation File Format.",
    "DATATYPE_MISMATCH": "The file lies in a folder for another type of data than its suffix says.",
    "EMPTY_FILE": "A file is empty.",
    "ENTITY_NOT_IN_RULE": "The name has an entity that files with this suffix do not have.",
    "ENTITY_WITH_NO_LABEL": "The name has an entity without a label.",
    "EXTENSION_MISMATCH": "Files with this suffix do not have this extension.",
    "FILENAME_MISMATCH": "The parts of the name are in another order than the standard asks, or one is there twice.",
    "FILE_READ": "The file cannot be read.",
    "HED_ERROR": "An annotation in HED (Hierarchical Event Descriptors) is not valid.",
    "HED_WARNING": "An annotation in HED (Hierarchical Event Descriptors) is doubtful.",
    "INVALID_ENTITY_LABEL": "The label of an entity is not of the form that the standard asks.",
    "INVALID_FILE_ENCODING": "The file is not text in UTF-8.",
    "INVALID_GZIP": "The file cannot be decompressed: it is damaged, or no gzip file.",
    "INVALID_JSON_ENCODING": "A JSON file is not text in UTF-8, or begins with a byte order mark.",
    "INVALID_LOCATION": "The name is valid, but the file lies in the wrong folder.",
    "JSON_INVALID": "The file is not valid JSON.",
    "JSON_KEY_RECOMMENDED": "A JSON file lacks a key that the standard recommends.",
    "JSON_KEY_REQUIRED": "A JSON file lacks a key that the standard requires.",
    "JSON_NOT_AN_OBJECT": "A JSON file holds something else than an object.",
    "JSON_SCHEMA_VALIDATION_ERROR": "The value of a key is not of the form that the standard asks.",
    "MISSING_DATASET_DESCRIPTION": "There is no dataset_description.json at the root of the dataset.",
    "MISSING_REQUIRED_ENTITY": "The name lacks an entity that files with this suffix must have.",
    "MULTIPLE_INHERITABLE_FILES": "Several files of one folder apply to the same file, and none is nearest to it.",
    "NIFTI_HEADER_UNREADABLE": "The header of a NIfTI image cannot be read: it is damaged, or no NIfTI file.",
    "NOT_INCLUDED": "The standard does not know a file of this name.",
    "SIDECAR_FIELD_OVERRIDE": "A sidecar gives a key another value than one that lies higher up.",
    "SIDECAR_KEY_RECOMMENDED": "The metadata of a data file lack a key that the standard recommends.",
    "SIDECAR_KEY_REQUIRED": "The metadata of a data file lack a key that the standard requires.",
    "SIDECAR_WITHOUT_DATAFILE": "No data file belongs to a JSON file.",
    "SYMLINK_BROKEN": "A symbolic link points to nothing.",
    "SYMLINK_CYCLE": "A symbolic link leads back to itself, or to a folder above it.",
    "SYMLINK_IN_SUBMODULE": "A symbolic link points into a git submodule that is not there.",
    "SYMLINK_OUT_OF_TREE": "A symbolic link points out of the repository.",
    "TSV_ADDITIONAL_COLUMNS_MUST_DEFINE": "Columns of a table are not described in its sidecar, and must be.",
    "TSV_ADDITIONAL_COLUMNS_NOT_ALLOWED": "A table has columns that such tables may not have.",
    "TSV_ADDITIONAL_COLUMNS_UNDEFINED": "A table has columns of its own that its sidecar does not describe.",
    "TSV_COLUMN_HEADER_DUPLICATE": "Two columns of a table have the same name.",
    "TSV_COLUMN_MISSING": "A table lacks a column that it must have.",
    "TSV_COLUMN_ORDER_INCORRECT": "The first columns of a table are not in the order that the standard asks.",
    "TSV_COLUMN_TYPE_REDEFINED": "A sidecar describes a column otherwise than the standard; it is not heeded.",
    "TSV_EMPTY_LINE": "A table has an empty line.",
    "TSV_EQUAL_ROWS": "A row of a table has more or fewer values than there are columns.",
    "TSV_ERROR": "A table cannot be read.",
    "TSV_INDEX_VALUE_NOT_UNIQUE": "Two rows of a table are about the same thing.",
    "TSV_PSEUDO_AGE_DEPRECATED": 'The age "89+" is deprecated: write 89 for all ages from 89 on.',
    "TSV_VALUE_INCORRECT_TYPE": "A value in a table is not of the form that its column asks.",
    "UNSUPPORTED_DATASET_TYPE": "The dataset is of a type that was not asked for.",
    "UNUSED_STIMULUS": "No table of events names a file in stimuli/.",
}


def find_meanings(codes: Iterable[str], schema: dict[str, Any]) -> dict[str, str]:
    """Return what codes mean, in the words of the schema where it has some.

    Parameters
    ----------
    codes : iterable of str
        Those that occur.
    schema : dict
        The schema that was asked.

    Returns
    -------
    meanings : dict of str to str
    """
    wanted = set(codes)
    found = {code: MEANINGS[code] for code in wanted if code in MEANINGS}
    if wanted - found.keys():
        for issue in _walk_issues(schema["rules"]):
            if issue["code"] in wanted:
                found.setdefault(issue["code"], " ".join(str(issue.get("message", "")).split()))
    return found


def _walk_issues(node: Any) -> Iterable[dict[str, Any]]:
    """Give every part of the schema that has a code and a message."""
    if isinstance(node, dict):
        if isinstance(node.get("code"), str) and "message" in node:
            yield node
        for below in node.values():
            yield from _walk_issues(below)
