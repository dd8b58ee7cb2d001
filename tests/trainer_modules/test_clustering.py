"""k-means against scikit-learn's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.cluster import KMeans

from trainer_modules.common import clustering


@pytest.fixture(scope="module")
def points():
    random = np.random.default_rng(0)
    middles = random.normal(scale=3, size=(8, 5))
    return (middles[random.integers(0, 8, 1200)] + random.normal(size=(1200, 5))).astype(np.float32)


def test_the_inertia_is_scikit_learns(points):
    centroids, inertias = clustering.k_means(tf.constant(points), 8, seed=1)
    reference = KMeans(8, n_init=10, random_state=1).fit(points)
    assert inertias[-1] == pytest.approx(reference.inertia_, rel=0.002)
    assert inertias == sorted(inertias, reverse=True)
    nearest = np.linalg.norm(points[:, None] - centroids.numpy(), axis=2)
    assert (nearest.min(axis=1) ** 2).sum() == pytest.approx(inertias[-1], rel=1e-3)


def test_the_same_seed_gives_the_same_centroids(points):
    first, again, other = (clustering.k_means(tf.constant(points), 8, seed=seed, starts=1)[0].numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_a_centroid_that_no_point_is_near_stays():
    points = tf.constant([[0.0, 0.0], [2.0, 0.0]])
    moved, inertia = clustering.lloyd(points, tf.constant([[1.0, 1.0], [50.0, 50.0]]))
    np.testing.assert_allclose(moved, [[1.0, 0.0], [50.0, 50.0]])
    assert float(inertia) == pytest.approx(4.0)


def test_more_clusters_than_points_are_an_error():
    with pytest.raises(ValueError, match=r"expected at least 3 points for as many clusters, received 2\. Set clusters lower"):
        clustering.k_means(tf.zeros((2, 4)), 3, seed=0)


def test_the_layer_tells_distances_and_the_nearest():
    layer = clustering.Centroids(2)
    x = keras.Input((2,))
    model = keras.Model(x, layer(x))
    layer.centroids.assign([[0.0, 0.0], [3.0, 4.0]])
    distances, nearest = model(np.array([[3.0, 4.0], [0.0, 1.0]], np.float32))
    np.testing.assert_allclose(distances, [[5.0, 0.0], [1.0, np.sqrt(18)]], atol=1e-6)
    assert nearest.numpy().tolist() == [1, 0]
