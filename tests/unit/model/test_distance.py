import numpy as np
import pytest

from proxy.model.distance import nearest_first, values
from proxy.model.point import Sparse
from proxy.model.schema import Metric

QUERY = np.array([3, 4], "f4")
ROWS = [np.array([6, 8], "f4"), np.array([-4, 3], "f4"), np.array([0, 0], "f4")]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Metric.COSINE, [1, 0, 0]),
        (Metric.DOT, [50, 0, 0]),
        (Metric.EUCLIDEAN, [5, np.sqrt(50), 5]),
        (Metric.MANHATTAN, [7, 8, 7]),
    ],
)
def test_dense_values_follow_the_definition(metric: Metric, expected: list[float]) -> None:
    assert values(metric, QUERY, ROWS) == pytest.approx(expected)


def test_bits_are_compared_one_by_one() -> None:
    query, rows = np.array([0b1100], "u1"), [np.array([0b1010], "u1"), np.array([0], "u1")]
    assert list(values(Metric.HAMMING, query, rows)) == [2, 2]
    assert values(Metric.JACCARD, query, rows) == pytest.approx([2 / 3, 1])


def test_sparse_vectors_meet_on_their_common_indices() -> None:
    query = Sparse(np.array([1, 5], "u4"), np.array([2, 3], "f4"))
    row = Sparse(np.array([5, 9], "u4"), np.array([4, 1], "f4"))
    assert list(values(Metric.DOT, query, [row])) == [12]


def test_a_multivector_scores_the_best_row_for_each_of_the_querys() -> None:
    query, row = np.array([[1, 0], [0, 1]], "f4"), np.array([[2, 0], [0, 3], [1, 1]], "f4")
    assert list(values(Metric.DOT, query, [row])) == [5]


def test_similarities_are_turned_so_that_the_nearest_comes_first() -> None:
    found = np.array([0.1, 0.9])
    assert list(np.argsort(nearest_first(Metric.COSINE, found))) == [1, 0]
    assert list(np.argsort(nearest_first(Metric.EUCLIDEAN, found))) == [0, 1]


def test_nothing_has_no_values() -> None:
    assert len(values(Metric.DOT, QUERY, [])) == 0
