import numpy as np
import pytest

pytest.importorskip("scipy")

from bidsflow_pipelines.qc.measures.cores import find_cores, level, snr_core

from tests.pipelines.qc.measures.test_anat import SHAPE, ZOOMS, add_noise, make_images


def test_snr_is_signal_over_noise_where_edges_are_soft_and_coils_uneven() -> None:
    """Partial volume at the rim, one voxel of another tissue in fifty, and a field of 20 %."""
    from scipy.ndimage import gaussian_filter

    images = make_images()
    signal = np.select([images.labels == 3, images.labels == 2, images.labels == 1], [2000.0, 1400.0, 600.0], 900.0)
    strays = np.random.default_rng(1).random(SHAPE) < 0.02
    signal = np.where(strays, 1700.0, gaussian_filter(signal, 0.4))
    x, y, z = (np.indices(SHAPE) - 31.5) / 32
    field = np.exp(0.1 * x - 0.2 * y**2 + 0.1 * z**3)
    image = add_noise(signal * field, 20)
    image[31, 16] = 0  # dark vessels through all tissues
    cores = find_cores(images.labels)
    values = level(image, cores, ZOOMS)
    for known, core, found in zip((600, 1400, 2000), cores, values, strict=True):
        expected = known / 20 * field[core].mean()  # noise is even, signal is not
        assert snr_core(found) == pytest.approx(expected, rel=0.1)


def test_snr_of_few_voxels_is_hardly_a_matter_of_chance() -> None:
    """Of 250 voxels of Gaussian noise, the least that any deviation is off is 4.5 %."""
    rng = np.random.default_rng(0)
    found = [snr_core(np.rint(rng.normal(288, 8, 250))) for _ in range(200)]
    assert np.std(found) / 36 < 0.055
    assert np.mean(found) == pytest.approx(36, rel=0.02)


def test_core_has_no_voxel_next_to_another_tissue_unless_too_few_are_left() -> None:
    labels = np.zeros((12, 12, 12), dtype=int)
    labels[1:11, 1:11, 1:11], labels[5:8, 5:8, 5:8], labels[2, 2, 2:4] = 2, 3, 1
    csf, gm, wm = find_cores(labels)
    assert csf.sum() == 2
    assert wm.sum() == 27
    assert not gm[4, 4:9, 5:8].any()  # faces and edges
    assert gm[4, 4, 4]  # a corner


def test_few_voxels_are_not_levelled() -> None:
    images = make_images()
    few = tuple(core & (np.indices(SHAPE)[0] == 31) for core in find_cores(images.labels))
    values = level(images.original, few, ZOOMS)
    for core, part in zip(few, values, strict=True):
        np.testing.assert_array_equal(part, images.original[core])
