"""A form in which a person rates an image; the page saves the answers as JSON on the reader's own computer.

The grades, the keys of artefacts and the keys of the JSON are those of MRIQC's widget (Esteban et al. 2017), so that
ratings of both can be read together; docs/rating.md says what each key means.
"""

from __future__ import annotations

from dataclasses import dataclass

GRADES = ((1, "exclude"), (2, "poor"), (3, "acceptable"), (4, "excellent"))
CONFIDENCES = ((1, "a guess"), (2, "doubtful"), (3, "confident"), (4, "certain"))

ARTEFACTS = (
    ("head-motion", "head motion"),
    ("eye-spillover", "eyes: spill-over along phase encoding"),
    ("noneye-spillover", "other spill-over along phase encoding"),
    ("coil-failure", "coil failure"),
    ("noise-global", "noise everywhere"),
    ("noise-local", "noise in places"),
    ("em-perturbation", "electromagnetic interference"),
    ("wrap-around", "field of view: badly placed, wrap-around"),
    ("ghost-aliasing", "ghosts by aliasing"),
    ("ghost-other", "other ghosts"),
    ("inu", "uneven intensity"),
    ("field-variation", "field changes over time"),
    ("processing", "processed before: denoised, defaced, resampled"),
    ("uncategorized", "something else"),
)
"""Key and label of each artefact of MRIQC's list."""


@dataclass(frozen=True, slots=True)
class Rating:
    """The form.

    Attributes
    ----------
    image : str
        Path of the rated image within its dataset.
    measures : str
        Name of the file with its measures; ``""`` if there is none.
    dataset : str
        Name of the dataset; ``""`` if it has none.
    artefacts : tuple of (str, str)
        Key and label of each.
    """

    image: str
    measures: str = ""
    dataset: str = ""
    artefacts: tuple[tuple[str, str], ...] = ARTEFACTS

    @property
    def stem(self) -> str:
        """Name of the image without folders and extension.

        Examples
        --------
        >>> Rating("sub-01/anat/sub-01_T1w.nii.gz").stem
        'sub-01_T1w'
        """
        return self.image.rpartition("/")[2].partition(".")[0]
