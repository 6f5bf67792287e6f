"""Searching through the official client: words, typos, ranking, filters, facets, replicas, paging."""

from typing import Any

import pytest
from algoliasearch.http.exceptions import RequestException

WARDROBE: list[dict[str, Any]] = [
    {"objectID": "silk", "title": "Red silk dress", "brand": "Zara", "price": 30, "likes": 5, "new": True},
    {"objectID": "maxi", "title": "Maxi dress, red", "brand": "Gucci", "price": 200.5, "likes": 9},
    {
        "objectID": "coat",
        "title": "Wool coat",
        "about": "warm, for a red dress",
        "brand": "zara",
        "price": 80,
    },
    {"objectID": "elan", "title": "Élan jacket", "brand": "Mango", "price": 45, "_tags": ["Rare"]},
]
SETTINGS: dict[str, Any] = {
    "searchableAttributes": ["title", "about"],
    "attributesForFaceting": ["searchable(brand)", "price", "new", "filterOnly(seller.id)"],
}


@pytest.fixture(scope="module")
def wardrobe(client: Any) -> Any:
    client.wait_for_task("wardrobe", client.set_settings("wardrobe", SETTINGS).task_id)
    client.save_objects("wardrobe", WARDROBE, wait_for_tasks=True)

    def ids(query: str = "", **params: Any) -> list[str]:
        found = client.search_single_index("wardrobe", {"query": query, **params}).to_dict()
        return [hit["objectID"] for hit in found["hits"]]

    return ids


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("silk", ["silk"]),
        ("RED dress", ["silk", "maxi", "coat"]),
        ("dres", ["silk", "maxi", "coat"]),  # the beginning of the last word
        ("drses", ["silk", "maxi", "coat"]),  # two letters swapped: one typo
        ("jaket", ["elan"]),
        ("elan", ["elan"]),  # without the accent
        ("sik", []),  # three letters allow no typo
        ("dress wool coat silk", []),
        ("wo", ["coat"]),
    ],
)
def test_words_find_records(wardrobe: Any, query: str, found: list[str]) -> None:
    assert sorted(wardrobe(query)) == sorted(found)


def test_a_finished_word_is_no_prefix(wardrobe: Any) -> None:
    assert wardrobe("jack red") == []
    assert wardrobe("dre", queryType="prefixNone") == []


def test_without_typo_tolerance_only_exact_words_match(wardrobe: Any) -> None:
    assert wardrobe("jaket", typoTolerance=False) == []


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ("brand:Zara", {"silk", "coat"}),  # values compare without regard to case
        ("NOT brand:zara", {"maxi", "elan"}),
        ("brand:'Zara' AND price < 50", {"silk"}),
        ('brand:"Gucci" OR brand:Mango', {"maxi", "elan"}),
        ("price >= 80 OR price = 30", {"maxi", "coat", "silk"}),
        ("price:45 TO 80", {"coat", "elan"}),
        ("price > 200 AND price < 201", {"maxi"}),
        ("price != 30", {"maxi", "coat", "elan"}),
        ("price > -1e3 AND price <= 45", {"silk", "elan"}),
        ("new:true", {"silk"}),
        ("price:200.5", {"maxi"}),
        ("Rare", {"elan"}),
        ("rare", set()),  # tags do regard case
        ("objectID:coat", {"coat"}),
        ("brand:mango AND brand:zara OR brand:gucci", set()),  # OR binds tighter
        ("(brand:mango OR brand:gucci) AND price > 100", {"maxi"}),
        ("title:coat", set()),  # not declared for faceting
    ],
)
def test_filters(wardrobe: Any, filters: str, found: set[str]) -> None:
    assert set(wardrobe(filters=filters)) == found


@pytest.mark.parametrize(
    "filters",
    [
        "brand:",
        "brand:Zara AND",
        "(brand:Zara",
        "brand:a OR price > 3",
        "brand:a OR (brand:b AND brand:c)",
        "NOT (brand:a OR brand:b)",
        "price > cheap",
        "price > nan",
        'brand:"open',
    ],
)
def test_a_broken_filter_is_refused(wardrobe: Any, filters: str) -> None:
    with pytest.raises(RequestException) as refused:
        wardrobe(filters=filters)
    assert refused.value.status_code == 400


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"facetFilters": ["brand:Zara"]}, {"silk", "coat"}),
        ({"facetFilters": [["brand:Zara", "brand:Mango"]]}, {"silk", "coat", "elan"}),
        ({"facetFilters": [["brand:Zara", "brand:Mango"], "brand:-Zara"]}, {"elan"}),
        ({"numericFilters": ["price>40", ["price<50", "price>=200"]]}, {"elan", "maxi"}),
        ({"tagFilters": ["Rare"]}, {"elan"}),
        ({"facetFilters": ["brand:Zara"], "filters": "price < 50"}, {"silk"}),
    ],
)
def test_nested_filters(wardrobe: Any, params: dict[str, Any], found: set[str]) -> None:
    assert set(wardrobe(**params)) == found


def test_facets_count_and_measure_what_matches(wardrobe: Any, client: Any) -> None:
    query = {"query": "dress", "facets": ["brand", "price", "title"]}
    found = client.search_single_index("wardrobe", query).to_dict()
    assert found["facets"] == {
        "brand": {"Zara": 1, "Gucci": 1, "zara": 1},
        "price": {"30": 1, "80": 1, "200.5": 1},
    }
    assert found["facets_stats"] == {"price": {"min": 30, "max": 200.5, "avg": 310.5 / 3, "sum": 310.5}}
    everything = client.search_single_index("wardrobe", {"query": "", "facets": ["*"]}).to_dict()
    assert everything["facets"]["new"] == {"true": 1}


def test_lists_of_names_may_be_strings(wardrobe: Any, client: Any) -> None:
    params = "query=silk&facets=brand,price&attributesToRetrieve=title,price&attributesToHighlight="
    found = client.search_single_index("wardrobe", {"params": params}).to_dict()
    assert set(found["facets"]) == {"brand", "price"}
    assert {"title", "price", "objectID"} <= set(found["hits"][0])
    assert "brand" not in found["hits"][0]


def test_facet_values_can_be_searched_where_declared(wardrobe: Any, client: Any) -> None:
    found = client.search_for_facet_values("wardrobe", "brand", {"facetQuery": "gu"}).to_dict()
    assert found["facetHits"] == [{"value": "Gucci", "highlighted": "<em>Gu</em>cci", "count": 1}]
    with pytest.raises(RequestException, match="searchable"):
        client.search_for_facet_values("wardrobe", "price", {"facetQuery": "3"})


def test_several_searches_answer_in_their_order(wardrobe: Any, client: Any) -> None:
    requests = [
        {"indexName": "wardrobe", "query": "silk"},
        {"indexName": "wardrobe", "type": "facet", "facet": "brand", "facetQuery": "man"},
        {"indexName": "wardrobe", "query": "coat", "hitsPerPage": 1},
    ]
    results = client.search({"requests": requests}).to_dict()["results"]
    assert results[0]["hits"][0]["objectID"] == "silk"
    assert results[1]["facetHits"][0]["value"] == "Mango"
    assert results[2]["hits"][0]["objectID"] == "coat"


def test_highlights_mark_the_words_found(wardrobe: Any, client: Any) -> None:
    (hit,) = client.search_single_index("wardrobe", {"query": "red sil"}).to_dict()["hits"]
    title = hit["_highlightResult"]["title"]
    assert title["value"] == "<em>Red</em> <em>sil</em>k dress"
    assert title["matchLevel"] == "full"
    assert title["matchedWords"] == ["red", "sil"]


def test_only_the_attributes_asked_for_are_returned(wardrobe: Any, client: Any) -> None:
    query = {"query": "silk", "attributesToRetrieve": ["price"], "attributesToHighlight": []}
    (hit,) = client.search_single_index("wardrobe", query).to_dict()["hits"]
    assert hit == {"objectID": "silk", "price": 30}


def test_typos_rank_last_and_earlier_attributes_first(products: Any) -> None:
    products.settings(searchableAttributes=["title", "about"], customRanking=["desc(likes)"])
    products.save(
        {"objectID": "typo", "title": "drezs", "likes": 99},
        {"objectID": "about", "title": "skirt", "about": "goes with a dress", "likes": 50},
        {"objectID": "plain", "title": "dress", "likes": 1},
        {"objectID": "liked", "title": "dress", "likes": 7},
        {"objectID": "longer", "title": "dresses", "likes": 90},
    )
    assert products.ids("dress") == ["liked", "plain", "longer", "about", "typo"]
    assert products.ids("dress", typoTolerance="min") == ["liked", "plain", "longer", "about"]


def test_words_near_each_other_rank_first(products: Any) -> None:
    products.save(
        {"objectID": "far", "title": "red shoes to go with any summer dress"},
        {"objectID": "near", "title": "summer red dress"},
    )
    assert products.ids("red dress") == ["near", "far"]


def test_without_words_the_custom_ranking_orders_everything(products: Any) -> None:
    products.settings(customRanking=["desc(likes)", "asc(title)"])
    products.save(
        *({"objectID": str(n), "likes": n // 2, "title": "ba"[n % 2]} for n in range(1200)),
        {"objectID": "none"},
    )
    assert products.ids(hitsPerPage=4) == ["1199", "1198", "1197", "1196"]
    assert products.search()["nbHits"] == 1201


def test_a_replica_is_the_same_records_in_another_order(products: Any) -> None:
    cheap = f"{products.name}_price_asc"
    products.settings(replicas=[f"virtual({cheap})"], attributesForFaceting=["brand"])
    products.wait(products.client.set_settings(cheap, {"customRanking": ["asc(price)"]}).task_id)
    products.save(*({"objectID": str(n), "title": "dress", "price": 7 * n % 10} for n in range(10)))
    found = products.client.search_single_index(cheap, {"query": "dress"}).to_dict()
    assert [hit["price"] for hit in found["hits"]] == list(range(10))
    assert products.client.get_settings(cheap).primary == products.name
    with pytest.raises(RequestException, match="replica"):
        products.client.save_object(cheap, {"objectID": "x"})


def test_pages_cover_every_hit_once_and_end_at_the_limit(products: Any) -> None:
    products.settings(paginationLimitedTo=30)
    products.save(*({"objectID": str(n), "title": "dress"} for n in range(45)))
    pages = [products.search("dress", page=page, hitsPerPage=20) for page in range(3)]
    seen = [hit["objectID"] for page in pages for hit in page["hits"]]
    assert [len(page["hits"]) for page in pages] == [20, 10, 0]
    assert len(set(seen)) == 30
    assert pages[0]["nbHits"] == 45
    assert pages[0]["nbPages"] == 2
    assert len(products.search("dress", offset=5, length=7)["hits"]) == 7
    with pytest.raises(RequestException, match="hitsPerPage"):
        products.search(hitsPerPage=1001)


def test_words_are_given_up_only_when_asked(products: Any) -> None:
    products.save({"objectID": "1", "title": "red dress"})
    assert products.ids("red dress unicorn") == []
    assert products.ids("red dress unicorn", removeWordsIfNoResults="lastWords") == ["1"]
    assert products.ids("unicorn dress", removeWordsIfNoResults="allOptional") == ["1"]
    assert products.ids("red unicorn", optionalWords=["unicorn"]) == ["1"]


def test_new_settings_rebuild_the_index(products: Any) -> None:
    products.save({"objectID": "1", "title": "dress", "brand": "Zara"})
    assert products.ids(filters="brand:Zara") == []
    products.settings(attributesForFaceting=["brand"], searchableAttributes=["brand"])
    assert products.ids(filters="brand:Zara") == ["1"]
    assert products.ids("dress") == []
