"""Which BIDS schema is asked: the newest that is installed, the reference's, or a file of one's own."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bidsflow.errors import SchemaError
from bidsflow.schema import load, read_installed
from bidsflow.validate.digests import name_bytes

if TYPE_CHECKING:
    from bidsflow.validate.options import Options

#: The schema that the reference validator carries (bids-validator-deno 3.0.2); comes with bidsflow.
REFERENCE_VERSION: Final = "1.2.7"
_CARRIED_FILE: Final = Path(__file__).parents[1] / "schemas" / f"{REFERENCE_VERSION}.json.gz"


class Schema(NamedTuple):
    """A schema as data.

    Attributes
    ----------
    data : dict
        Everything it says.
    digest : str
        Of its bytes: tells schemas apart.
    """

    data: dict[str, Any]
    digest: str

    @property
    def version(self) -> str:
        """``2.0.1``."""
        return str(self.data.get("schema_version", ""))


def name_schema(options: Options) -> str | None:
    """Return which schema is asked: by default the newest, or the reference's where its verdicts are wanted."""
    return options.schema or (REFERENCE_VERSION if options.compat else None)


@cache
def digest_schema(wanted: str | None = None) -> str:
    """Return what tells a schema apart from others, named as for `load_schema`, without understanding it."""
    if wanted == REFERENCE_VERSION:
        return name_bytes(_CARRIED_FILE.read_bytes())  # as it comes, which need not be unpacked
    return name_bytes(_read(wanted))


@cache
def load_schema(wanted: str | None = None) -> Schema:
    """Return a schema.

    Parameters
    ----------
    wanted : str, optional
        A version that is installed, or the path of a ``schema.json``; by default the newest that is installed.

    Returns
    -------
    schema : Schema

    Raises
    ------
    SchemaError
        If there is no such version or file, or if the file holds no schema.
    """
    import json

    content = _read(wanted)
    try:
        data = load() if wanted is None else json.loads(content)  # other rooms have read that one, too
    except (ValueError, RecursionError) as error:
        raise SchemaError(str(wanted), f"it is no JSON ({error})") from error
    if not isinstance(data, dict) or not {"rules", "objects", "meta"} <= data.keys():
        raise SchemaError(str(wanted), "it has no rules, objects and meta; give the schema.json of a BIDS release")
    return Schema(data, name_bytes(content))


def _read(wanted: str | None) -> bytes:
    """Return the bytes of a schema."""
    if wanted == REFERENCE_VERSION:
        import gzip

        return gzip.decompress(_CARRIED_FILE.read_bytes())
    if wanted is None:
        return read_installed()
    import json

    path = Path(wanted)
    if path.is_file():
        return path.read_bytes()
    content = read_installed()
    version = json.loads(content)["schema_version"]
    if wanted.removeprefix("v") in (version, "latest"):
        return content
    raise SchemaError(wanted, f"neither a file nor one of the versions at hand, {REFERENCE_VERSION} and {version}")
