"""Where the tables of a subject or session stand, by its labels. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of a subject or session, by its labels.

    Attributes
    ----------
    sub, ses : str
        Labels; ``""`` where there is no session.
    """

    sub: str
    ses: str

    @classmethod
    def of(cls, folder: str) -> Place:
        """Return the place of a folder: ``sub-01`` or ``sub-01/ses-02``."""
        subject, _, session = folder.partition("/")
        return cls(subject.removeprefix("sub-"), session.removeprefix("ses-"))

    @property
    def folder(self) -> str:
        """Relative to the dataset."""
        return f"sub-{self.sub}/ses-{self.ses}" if self.ses else f"sub-{self.sub}"

    @property
    def scans(self) -> str:
        """Path of the table of scans."""
        return f"{self.folder}/{self.folder.replace('/', '_')}_scans.tsv"

    @property
    def sessions(self) -> str:
        """Path of the table of sessions."""
        return f"sub-{self.sub}/sub-{self.sub}_sessions.tsv"
