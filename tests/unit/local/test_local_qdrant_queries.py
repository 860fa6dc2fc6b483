"""Every kind of query, over REST and gRPC."""

from __future__ import annotations

import httpx
import pytest
from qdrant_client import QdrantClient, models
from servers.qdrant import QdrantServer


@pytest.fixture
def plane(client: QdrantClient, name: str) -> str:
    """Points 1 to 8 on a quarter circle, from east to north, of kinds a and b in turn."""
    client.create_collection(name, vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))
    points = [
        models.PointStruct(id=n, vector=[8.0 - n, float(n)], payload={"kind": "ab"[n % 2], "n": n, "words": f"word{n} all"})
        for n in range(1, 9)
    ]
    client.upsert(name, points)
    return name


def ids(found: models.QueryResponse) -> list[object]:
    return [point.id for point in found.points]


EAST = [1.0, 0.0]
KIND_A = models.Filter(must=[models.FieldCondition(key="kind", match=models.MatchValue(value="a"))])


def test_nearest_comes_first(client: QdrantClient, plane: str) -> None:
    found = client.query_points(plane, query=EAST, limit=3)
    assert [(point.id, point.score) for point in found.points] == [(1, 7.0), (2, 6.0), (3, 5.0)]


def test_offset_filter_and_threshold_cut_the_answer(client: QdrantClient, plane: str) -> None:
    """A score equal to the threshold is cut off: the engine compares strictly."""
    assert ids(client.query_points(plane, query=EAST, limit=2, offset=1)) == [2, 3]
    assert ids(client.query_points(plane, query=EAST, query_filter=KIND_A, score_threshold=4.0)) == [2]


def test_a_stored_point_as_query_is_left_out_of_the_answer(client: QdrantClient, plane: str) -> None:
    assert ids(client.query_points(plane, query=1, limit=2)) == [2, 3]


def test_versions_are_the_numbers_of_the_last_writes(client: QdrantClient, plane: str) -> None:
    client.set_payload(plane, {"x": 1}, points=[2])
    assert [point.version for point in client.query_points(plane, query=EAST, limit=2).points] == [0, 1]


def test_a_query_without_a_query_scrolls(client: QdrantClient, plane: str) -> None:
    assert ids(client.query_points(plane, limit=3, offset=1)) == [2, 3, 4]


def test_payload_and_vectors_come_when_asked(client: QdrantClient, plane: str) -> None:
    found = client.query_points(plane, query=EAST, limit=1, with_payload=["n"], with_vectors=True).points[0]
    assert (found.payload, found.vector) == ({"n": 1}, [7.0, 1.0])


@pytest.mark.parametrize("strategy", [None, *models.RecommendStrategy])
def test_recommendations_are_near_the_positive_examples(
    client: QdrantClient, plane: str, strategy: models.RecommendStrategy | None
) -> None:
    query = models.RecommendQuery(recommend=models.RecommendInput(positive=[1, EAST], negative=[8], strategy=strategy))
    assert ids(client.query_points(plane, query=query, limit=1)) == [2]


def test_discovery_and_context_keep_to_the_positive_side(client: QdrantClient, plane: str) -> None:
    pair = models.ContextPair(positive=2, negative=7)
    discover = models.DiscoverQuery(discover=models.DiscoverInput(target=EAST, context=[pair]))
    assert ids(client.query_points(plane, query=discover, limit=2)) == [1, 3]
    assert set(ids(client.query_points(plane, query=models.ContextQuery(context=[pair]), limit=3))) == {1, 3, 4}


def test_feedback_moves_the_target(client: QdrantClient, plane: str) -> None:
    feedback = models.RelevanceFeedbackInput(
        target=EAST,
        feedback=[models.FeedbackItem(example=8, score=1.0), models.FeedbackItem(example=1, score=0.0)],
        strategy=models.NaiveFeedbackStrategy(naive=models.NaiveFeedbackStrategyParams(a=0.1, b=1.0, c=1.0)),
    )
    found = client.query_points(plane, query=models.RelevanceFeedbackQuery(relevance_feedback=feedback), limit=20)
    assert set(ids(found)) == {2, 3, 4, 5, 6, 7}


def test_prefetches_are_fused(client: QdrantClient, plane: str) -> None:
    prefetch = [models.Prefetch(query=EAST, limit=3), models.Prefetch(query=[0.0, 1.0], filter=KIND_A, limit=2)]
    for fusion in (
        models.FusionQuery(fusion=models.Fusion.RRF),
        models.FusionQuery(fusion=models.Fusion.DBSF),
        models.RrfQuery(rrf=models.Rrf(k=60, weights=[1.0, 0.5])),
    ):
        assert set(ids(client.query_points(plane, prefetch=prefetch, query=fusion))) == {1, 2, 3, 6, 8}


def test_a_prefetch_is_rescored(client: QdrantClient, plane: str) -> None:
    nested = models.Prefetch(prefetch=[models.Prefetch(query=EAST, limit=4)], query=[0.0, 1.0], limit=2)
    assert ids(client.query_points(plane, prefetch=[nested], query=EAST)) == [3, 4]


def test_results_are_diversified(client: QdrantClient, plane: str) -> None:
    query = models.NearestQuery(nearest=EAST, mmr=models.Mmr(diversity=0.9, candidates_limit=8))
    assert ids(client.query_points(plane, query=query, limit=2))[0] == 1


def test_a_formula_scores(client: QdrantClient, plane: str) -> None:
    formula = models.FormulaQuery(
        formula=models.SumExpression(
            sum=[
                models.MultExpression(mult=[2.0, "n"]),
                models.NegExpression(neg="$score"),
                models.FieldCondition(key="kind", match=models.MatchValue(value="a")),
                models.DivExpression(div=models.DivParams(left=1.0, right=4.0)),
            ]
        ),
        defaults={"n": 0},
    )
    found = client.query_points(plane, prefetch=[models.Prefetch(query=EAST, limit=2)], query=formula)
    assert [(point.id, point.score) for point in found.points] == [(2, 4 - 6 + 1 + 0.25), (1, 2 - 7 + 0.25)]


def test_a_decay_scores(client: QdrantClient, plane: str) -> None:
    decay = models.GaussDecayExpression(gauss_decay=models.DecayParamsExpression(x="n", target=5.0, scale=2.0))
    found = client.query_points(plane, prefetch=[models.Prefetch(limit=8)], query=models.FormulaQuery(formula=decay), limit=1)
    assert ids(found) == [5]


def test_results_are_ordered_by_a_field_or_sampled(client: QdrantClient, plane: str) -> None:
    client.create_payload_index(plane, "n", models.PayloadSchemaType.INTEGER)
    order = models.OrderByQuery(order_by=models.OrderBy(key="n", direction=models.Direction.DESC))
    assert ids(client.query_points(plane, query=order, limit=3)) == [8, 7, 6]
    sample = client.query_points(plane, query=models.SampleQuery(sample=models.Sample.RANDOM), limit=100)
    assert set(ids(sample)) == set(range(1, 9))


def test_texts_are_ranked(client: QdrantClient, plane: str) -> None:
    client.create_payload_index(
        plane,
        "words",
        models.TextIndexParams(type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, scoring=True),
    )
    found = client.query_points(plane, query=models.TextQuery(text="word7 all"), using="words", limit=1)
    assert ids(found) == [7]


def test_a_batch_of_queries_answers_each(client: QdrantClient, plane: str) -> None:
    requests = [models.QueryRequest(query=EAST, limit=1), models.QueryRequest(query=[0.0, 1.0], limit=2)]
    assert [ids(answer) for answer in client.query_batch_points(plane, requests)] == [[1], [8, 7]]


def test_a_vector_is_looked_up_in_another_collection(client: QdrantClient, plane: str, name: str) -> None:
    other = f"{name}-other"
    client.create_collection(other, vectors_config={"v": models.VectorParams(size=2, distance=models.Distance.DOT)})
    client.upsert(other, [models.PointStruct(id=8, vector={"v": [1.0, 0.0]})])
    lookup = models.LookupLocation(collection=other, vector="v")
    assert ids(client.query_points(plane, query=8, lookup_from=lookup, limit=2)) == [1, 2]


def test_groups_are_ordered_by_their_best_hit(client: QdrantClient, plane: str) -> None:
    found = client.query_points_groups(plane, group_by="kind", query=EAST, limit=2, group_size=2, with_payload=["n"])
    assert [(group.id, [hit.id for hit in group.hits]) for group in found.groups] == [("b", [1, 3]), ("a", [2, 4])]
    assert found.groups[0].hits[0].payload == {"n": 1}


def test_groups_bring_the_point_of_another_collection(client: QdrantClient, plane: str, name: str) -> None:
    other = f"{name}-other"
    client.create_collection(other, vectors_config=models.VectorParams(size=1, distance=models.Distance.DOT))
    client.upsert(other, [models.PointStruct(id=1, vector=[1.0], payload={"title": "one"})])
    found = client.query_points_groups(plane, group_by="n", query=EAST, limit=2, group_size=1, with_lookup=other)
    assert [group.lookup and group.lookup.payload for group in found.groups] == [{"title": "one"}, None]


def test_a_group_far_down_the_ranking_is_found(client: QdrantClient, name: str) -> None:
    client.create_collection(name, vectors_config=models.VectorParams(size=1, distance=models.Distance.DOT))
    client.upsert(
        name,
        [models.PointStruct(id=n, vector=[float(n)], payload={"g": "rare" if n == 1 else "common"}) for n in range(1, 500)],
    )
    found = client.query_points_groups(name, group_by="g", query=[1.0], limit=2, group_size=1)
    assert [(group.id, group.hits[0].id) for group in found.groups] == [("common", 499), ("rare", 1)]


def test_the_distance_matrix_holds_each_points_nearest(client: QdrantClient, plane: str) -> None:
    pairs = client.search_matrix_pairs(plane, sample=8, limit=2).pairs
    assert len(pairs) == 16
    assert all(pair.a != pair.b for pair in pairs)
    offsets = client.search_matrix_offsets(plane, sample=8, limit=2)
    assert sorted(offsets.ids) == list(range(1, 9))
    assert offsets.offsets_row == [row for row in range(8) for _ in range(2)]


LEGACY = {
    "search": ({"vector": EAST, "limit": 2}, [1, 2]),
    "recommend": ({"positive": [1], "negative": [8], "limit": 2}, [2, 3]),
    "discover": ({"target": EAST, "context": [{"positive": 2, "negative": 7}], "limit": 2}, [1, 3]),
}


@pytest.mark.parametrize("kind", LEGACY)
def test_the_search_api_from_before_queries_answers_over_rest(server: QdrantServer, plane: str, kind: str) -> None:
    body, expected = LEGACY[kind]
    path = f"{server.url}/collections/{plane}/points/{kind}"
    alone = httpx.post(path, json=body).json()["result"]
    batch = httpx.post(f"{path}/batch", json={"searches": [body]}).json()["result"]
    groups = httpx.post(f"{path}/groups", json={**body, "group_by": "n", "group_size": 1}).json()["result"]
    assert [hit["id"] for hit in alone] == expected
    assert [[hit["id"] for hit in answer] for answer in batch] == [expected]
    assert [group["hits"][0]["id"] for group in groups["groups"]] == expected
