"""Principal components and clusters of digits against scikit-learn's on the same rows."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from components.image_example_gen.readers import find_sources, load
from pipelines.mnist_pca_kmeans import MODEL
from tests import digits
from tests.contract import Case, check_saved, prepare
from trainer_modules import mnist_pca_kmeans

HPARAMS = {**MODEL.hparams, "components": 12, "clusters": 10, "starts": 4}
ROWS = 700


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    MODEL.data.write_sample(folder)
    (source,) = find_sources(folder, "**/*")
    return np.asarray(load(source).images)[::7][:ROWS]


def test_contract_and_references(images, tmp_path):
    case = Case(
        module=mnist_pca_kmeans,
        schema=(MODEL.schema_dir / "schema.pbtxt").read_text(),
        examples=[digits.example(image, number % 10) for number, image in enumerate(images)],
        transformed={"label": [0, 1, 2]},
        hparams=HPARAMS,
        label="label",
        complete=False,
        transform_hparams=("components",),
    )
    prepared = prepare(case, tmp_path)
    pixels = images.reshape(len(images), -1) / 255
    reference = PCA(12, svd_solver="full").fit(pixels)
    found = prepared.rows.features["components"].numpy()
    expected = reference.transform(pixels)
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=2e-4)
    assert found.var(axis=0).sum() / pixels.var(axis=0).sum() == pytest.approx(reference.explained_variance_ratio_.sum(), abs=1e-3)

    model, history = mnist_pca_kmeans.learn(mnist_pca_kmeans.build_model, HPARAMS, prepared.rows, prepared.rows, seed=1)
    inertia = KMeans(10, n_init=4, random_state=1).fit(expected).inertia_ / len(images)
    assert history["metrics"]["inertia"][-1] == pytest.approx(inertia, rel=0.02)
    answers = model(prepared.rows.features)
    assert (answers["distances"].numpy().min(axis=1) ** 2).mean() == pytest.approx(history["metrics"]["inertia"][-1], rel=1e-3)
    check_saved(model, prepared, case.examples, tmp_path, formats=MODEL.export_formats)


def test_the_axes_are_the_principal_ones():
    weights = np.random.default_rng(0).normal(size=(784, 3)).astype(np.float32)

    def served(image):
        return {"components": tf.reshape(tf.cast(image, tf.float32), [-1, 784]) / 255 @ weights - 7.0}

    pictures = mnist_pca_kmeans.axes({"raw": served}, 2)
    expected = np.round(127.5 + 127.5 * weights.T[:2] / np.abs(weights.T[:2]).max(axis=1, keepdims=True))
    np.testing.assert_allclose(np.reshape(pictures, (2, 784)), expected, atol=1)


def test_clusters_are_counted_by_digit():
    found = mnist_pca_kmeans.counts(np.array([0, 0, 2, 2]), np.array([9, 9, 1, 3]), 3)
    assert found == [[0, *[0] * 9, 2], [1, *[0] * 10], [2, 0, 1, 0, 1, *[0] * 6]]


def test_several_devices_are_refused():
    with pytest.raises(ValueError, match="expected --strategy auto or single for k-means"):
        mnist_pca_kmeans.learn(mnist_pca_kmeans.build_model, HPARAMS, None, None, seed=1, strategy="mirrored")
