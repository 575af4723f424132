"""Datasets that are not raw: derivatives, atlases, studies."""

from __future__ import annotations

from tests.validate.defects.content import image, rows, to_json, to_tsv
from tests.validate.defects.datasets.common import README, make_root
from tests.validate.defects.tree import Tree


def make_derivative() -> Tree:
    """Return what a pipeline made: images in a template, masks, segmentations, descriptions."""
    tree = make_root(DatasetType="derivative", GeneratedBy=[{"Name": "pipeline", "Version": "1.0"}])
    at = "sub-01/{}/sub-01_{}".format
    return tree | {
        "descriptions.tsv": to_tsv("desc_id description\ndesc-preproc processed\ndesc-brain brain"),
        "logs/log.txt": b"done\n",
        at("anat", "desc-preproc_T1w.nii.gz"): image(),
        at("anat", "desc-preproc_T1w.json"): to_json(
            SkullStripped=False, Sources=["bids:raw:sub-01/anat/sub-01_T1w.nii.gz"]
        ),
        at("anat", "space-MNI152NLin2009cAsym_res-2_desc-preproc_T1w.nii.gz"): image(),
        at("anat", "space-MNI152NLin2009cAsym_res-2_desc-preproc_T1w.json"): to_json(
            SkullStripped=True, Resolution={"2": "2 mm"}
        ),
        at("anat", "space-custom_desc-preproc_T1w.nii.gz"): image(),
        at("anat", "space-custom_desc-preproc_T1w.json"): to_json(SkullStripped=True, SpatialReference="orig"),
        at("anat", "desc-brain_mask.nii.gz"): image(),
        at("anat", "desc-brain_mask.json"): to_json(Type="Brain"),
        at("anat", "dseg.nii.gz"): image(),
        at("anat", "dseg.tsv"): to_tsv("index name\n1 grey\n2 white"),
        at("func", "task-rest_desc-preproc_bold.nii.gz"): image((4, 4, 4, 4)),
        at("func", "task-rest_desc-preproc_bold.json"): to_json(
            SkullStripped=False, TaskName="rest", RepetitionTime=2.0
        ),
        at("dwi", "dwi.nii.gz"): image((4, 4, 4, 2)),
        at("dwi", "dwi.json"): to_json(SkullStripped=False),
        at("dwi", "dwi.bval"): rows([0, 1000]),
        at("dwi", "dwi.bvec"): rows([0, 1], [0, 0], [0, 0]),
    }


def make_atlas() -> Tree:
    """Return an atlas of a template."""
    tree = make_root(DatasetType="derivative", GeneratedBy=[{"Name": "by hand"}])
    del tree["participants.tsv"]
    name = "tpl-MNI152NLin2009cAsym/anat/tpl-MNI152NLin2009cAsym_atlas-Small_{}".format
    return tree | {
        "atlas-Small_description.json": to_json(AtlasName="Small", License="CC0"),
        name("dseg.nii.gz"): image(),
        name("dseg.tsv"): to_tsv("index name\n1 grey\n2 white"),
    }


def make_study() -> Tree:
    """Return a study that holds a raw dataset and a derivative of it."""
    raw = make_root() | {"sub-01/anat/sub-01_T1w.nii.gz": image()}
    clean = {
        "dataset_description.json": to_json(
            Name="Clean", BIDSVersion="1.10.0", DatasetType="derivative", GeneratedBy=[{"Name": "cleaner"}]
        ),
        "README": README,
        "sub-01/anat/sub-01_desc-clean_T1w.nii.gz": image(),
        "sub-01/anat/sub-01_desc-clean_T1w.json": to_json(SkullStripped=False),
    }
    top = make_root(DatasetType="study")
    del top["participants.tsv"]
    return (
        top
        | {f"sourcedata/raw/{path}": entry for path, entry in raw.items()}
        | {f"derivatives/clean/{path}": entry for path, entry in clean.items()}
        | {"docs/plan.md": b"The plan.\n"}
    )
