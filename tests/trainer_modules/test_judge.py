"""How generated pictures are judged: the Fréchet distance in closed form, and the shares of classes."""

import numpy as np
import pytest

from trainer_modules.common import judge


def normals(mean: np.ndarray, covariance: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows whose sample mean and covariance are exactly these."""
    drawn = np.random.default_rng(seed).normal(size=(count, len(mean)))
    drawn -= drawn.mean(axis=0)
    drawn = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn, rowvar=False))).T
    return drawn @ np.linalg.cholesky(covariance).T + mean


def test_the_distance_of_normals_with_diagonal_covariances() -> None:
    first = normals(np.array([1.0, 2.0]), np.diag([4.0, 9.0]), 50, 1)
    second = normals(np.array([4.0, -2.0]), np.diag([1.0, 16.0]), 80, 2)
    # |(3, -4)|² + (2 - 1)² + (3 - 4)²
    assert judge.frechet_distance(first, second) == pytest.approx(27.0, rel=1e-9)


def test_the_distance_of_normals_whose_covariances_do_not_commute() -> None:
    one, two = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0, 0.0], [0.0, 1.0]])
    # The trace of the root of a 2x2 matrix M is sqrt(tr M + 2 sqrt(det M)); here M = C1 C2.
    expected = 4 + 4 - 2 * np.sqrt(np.trace(one @ two) + 2 * np.sqrt(np.linalg.det(one @ two)))
    found = judge.frechet_distance(normals(np.zeros(2), one, 40, 3), normals(np.zeros(2), two, 60, 4))
    assert found == pytest.approx(expected, rel=1e-9) and expected > 0.1


def test_the_distance_of_the_same_features_is_none_even_where_some_are_dead() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    rows[:, 2] = 0
    assert judge.frechet_distance(rows, rows) == pytest.approx(0, abs=1e-6)
    assert judge.frechet_distance(rows, rows + np.float32(1)) == pytest.approx(5, rel=1e-4)


def test_too_few_features_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"at least two rows each of the same features, received \[1, 3\] and \[5, 3\]"):
        judge.frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))


def test_shares_of_an_opinion() -> None:
    probabilities = np.array([[0.95, 0.05, 0.0], [0.5, 0.4, 0.1], [0.05, 0.9, 0.05], [0.2, 0.7, 0.1]])
    opinion = judge.Opinion(np.zeros((4, 1)), probabilities)
    assert opinion.sure_share == 0.5
    # Two of the first class, two of the second, none of the third.
    assert opinion.classes == pytest.approx(2.0)
    assert judge.Opinion(np.zeros((4, 1)), np.eye(4)).classes == pytest.approx(4.0)


def test_a_judge_tells_real_pictures_from_noise_and_always_alike() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 240)
    pictures = random.uniform(0, 0.3, (240, 8, 8)).astype(np.float32)
    for place, label in enumerate(labels):
        pictures[place, 2 * label : 2 * label + 2] += np.float32(0.6)
    first, again = (judge.learned(pictures[:120], labels[:120]) for _ in range(2))
    unseen = first(pictures[120:])
    assert (unseen.probabilities.argmax(axis=1) == labels[120:]).mean() > 0.95
    assert unseen.features.var(axis=0).mean() == pytest.approx(1, rel=0.2)
    real = judge.frechet_distance(unseen.features, first(pictures[:120]).features)
    noise = judge.frechet_distance(unseen.features, first(random.random((120, 8, 8)).astype(np.float32)).features)
    assert real < noise / 10
    np.testing.assert_allclose(again(pictures[120:]).features, unseen.features, rtol=1e-3, atol=1e-3)
