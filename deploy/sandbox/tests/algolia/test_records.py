"""Records through the official client: writes, partial updates, batches, browsing, copies."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from algoliasearch.http.exceptions import RequestException
from algoliasearch.search.client import SearchClientSync

VERSIONED = {"_operation": "IncrementSet"}


def at_version(number: int) -> dict[str, Any]:
    return {**VERSIONED, "value": number}


def test_a_saved_record_is_read_and_found_as_it_was(products: Any) -> None:
    record = {"objectID": "1", "title": "Silk dress", "sizes": ["S", "M"], "seller": {"name": "Ada"}}
    products.save(record)
    assert products.get("1") == record
    (hit,) = products.search("silk")["hits"]
    assert {name: hit[name] for name in record} == record


def test_a_write_is_visible_only_once_its_task_is_published(products: Any) -> None:
    products.save({"objectID": "0", "title": "first"})
    task = products.client.save_object(products.name, {"objectID": "1", "title": "second"})
    assert task.object_id == "1"
    products.wait(task.task_id)
    assert products.client.get_task(products.name, task.task_id).status == "published"
    assert products.ids("second") == ["1"]


def test_a_stale_version_changes_nothing_whatever_the_order(products: Any) -> None:
    products.batch(
        ("partialUpdateObject", {"objectID": "1", "version": at_version(3), "title": "third", "sold": True}),
        ("partialUpdateObject", {"objectID": "1", "version": at_version(2), "title": "second"}),
        ("partialUpdateObject", {"objectID": "1", "version": at_version(3), "title": "again"}),
    )
    assert products.get("1") == {"objectID": "1", "version": 3, "title": "third", "sold": True}
    products.batch(("partialUpdateObject", {"objectID": "1", "version": at_version(4), "title": "fourth"}))
    assert products.get("1") == {"objectID": "1", "version": 4, "title": "fourth", "sold": True}


@pytest.mark.parametrize(("value", "created"), [(0, True), (1, False)])
def test_increment_from_creates_a_missing_record_only_from_zero(
    products: Any,
    value: int,
    created: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    products.batch(
        ("partialUpdateObject", {"objectID": "1", "version": {"_operation": "IncrementFrom", "value": value}})
    )
    found = products.client.get_objects({"requests": [{"indexName": products.name, "objectID": "1"}]})
    assert found.to_dict()["results"] == ([{"objectID": "1", "version": 1}] if created else [None])


def test_a_changed_record_is_found_once_and_by_its_new_words_only(products: Any) -> None:
    products.save({"objectID": "1", "title": "silk dress"})
    products.save({"objectID": "1", "title": "silk blouse"})
    assert products.ids("silk") == ["1"]
    assert products.search()["nbHits"] == 1
    assert products.ids("dress") == []


def test_the_built_in_operations_change_one_attribute_each(products: Any) -> None:
    products.save(
        {"objectID": "1", "likes": 5, "stock": 5, "tags": ["a"], "seen": ["a", "b", "a"], "kept": 1}
    )
    products.batch(
        (
            "partialUpdateObject",
            {
                "objectID": "1",
                "likes": {"_operation": "Increment", "value": 2},
                "stock": {"_operation": "Decrement", "value": 2},
                "tags": {"_operation": "AddUnique", "value": "a"},
                "seen": {"_operation": "Remove", "value": "a"},
                "new": {"_operation": "Add", "value": "x"},
            },
        )
    )
    expected = {"likes": 7, "stock": 3, "tags": ["a"], "seen": ["b"], "new": ["x"], "kept": 1}
    assert products.get("1") == {"objectID": "1", **expected}


def test_the_actions_of_a_batch_apply_in_their_order(products: Any) -> None:
    products.save({"objectID": "old", "title": "dress"})
    products.batch(
        ("clear", {}),
        ("addObject", {"objectID": "1", "title": "dress"}),
        ("updateObject", {"objectID": "1", "title": "coat"}),
        ("partialUpdateObjectNoCreate", {"objectID": "ghost", "title": "dress"}),
        ("addObject", {"objectID": "2", "title": "dress"}),
        ("deleteObject", {"objectID": "2"}),
    )
    assert products.ids() == ["1"]
    assert products.ids("dress") == []
    assert products.ids("coat") == ["1"]


def test_writes_to_several_indexes_answer_a_task_each(client: SearchClientSync) -> None:
    requests = [
        {"action": "addObject", "indexName": name, "body": {"objectID": "1", "title": name}}
        for name in ("multi_a", "multi_b")
    ]
    tasks: dict[str, int] = client.multiple_batch({"requests": requests}).task_id
    for name, task in tasks.items():
        client.wait_for_task(name, task)
        record: Any = client.get_object(name, "1")
        assert record["title"] == name
    assert set(tasks) == {"multi_a", "multi_b"}


def test_object_ids_may_hold_any_character(products: Any) -> None:
    strange = "a/b c?d&é%2F"
    products.save({"objectID": strange, "title": "dress"})
    assert products.get(strange)["title"] == "dress"
    products.wait(products.client.delete_object(products.name, strange).task_id)
    assert products.ids() == []


def test_delete_by_takes_only_what_its_filters_match(products: Any) -> None:
    products.settings(attributesForFaceting=["brand"])
    products.save(
        *({"objectID": str(n), "brand": "Zara" if n % 2 else "Gucci", "price": n} for n in range(6))
    )
    products.wait(products.client.delete_by(products.name, {"filters": "brand:Zara AND price > 2"}).task_id)
    assert sorted(products.ids()) == ["0", "1", "2", "4"]
    with pytest.raises(RequestException, match="at least one filter"):
        products.client.delete_by(products.name, {})


def test_clear_keeps_the_settings_and_delete_drops_the_index(products: Any) -> None:
    products.settings(customRanking=["desc(price)"])
    products.save({"objectID": "1", "price": 1})
    products.wait(products.client.clear_objects(products.name).task_id)
    assert products.ids() == []
    assert products.client.get_settings(products.name).custom_ranking == ["desc(price)"]
    products.wait(products.client.delete_index(products.name).task_id)
    assert not products.client.index_exists(products.name)
    with pytest.raises(RequestException, match="does not exist") as refused:
        products.ids()
    assert refused.value.status_code == 404


def test_browsing_walks_every_record_once(products: Any) -> None:
    products.save(*({"objectID": str(n), "price": n} for n in range(25)))
    seen: list[str] = []
    products.client.browse_objects(
        products.name,
        lambda page: seen.extend(hit.object_id for hit in page.hits),
        {"hitsPerPage": 10, "filters": "price >= 3"},
    )
    assert sorted(seen, key=int) == [str(n) for n in range(3, 25)]


def test_replacing_all_objects_keeps_settings_and_replicas_and_never_shows_an_empty_index(
    products: Any, connect_with: Callable[..., SearchClientSync]
) -> None:
    by_price = f"{products.name}_by_price"
    products.settings(replicas=[by_price])
    products.wait(products.client.set_settings(by_price, {"ranking": ["asc(price)"]}).task_id)
    products.save(*({"objectID": f"old{n}", "price": n} for n in range(5)))
    seen, done = [], threading.Event()

    def watch() -> None:
        reader = connect_with()
        while not done.is_set():
            seen.append(len(reader.search_single_index(products.name, {"query": ""}).hits))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        products.client.replace_all_objects(
            products.name, [{"objectID": f"new{n}", "price": -n} for n in range(2500)]
        )
    finally:
        done.set()
        watcher.join(10)
    assert set(seen) == {5, 20}
    assert products.search()["nbHits"] == 2500
    found = products.client.search_single_index(by_price, {"query": ""}).to_dict()
    assert [hit["objectID"] for hit in found["hits"][:2]] == ["new2499", "new2498"]
    names = [item.name for item in products.client.list_indices().items]
    assert products.name in names
    assert not [name for name in names if "_tmp_" in name]


def test_copying_makes_an_independent_index(products: Any) -> None:
    products.settings(attributesForFaceting=["brand"])
    products.save({"objectID": "1", "brand": "Zara"})
    copy = f"{products.name}_copy"
    operation = {"operation": "copy", "destination": copy}
    products.wait(products.client.operation_index(products.name, operation).task_id)
    products.wait(products.client.clear_objects(products.name).task_id)
    found = products.client.search_single_index(copy, {"filters": "brand:zara"}).to_dict()
    assert [hit["objectID"] for hit in found["hits"]] == ["1"]


def test_a_record_over_100_kilobytes_is_refused_with_its_whole_batch(products: Any) -> None:
    with pytest.raises(RequestException, match="too big") as refused:
        products.save({"objectID": "1"}, {"objectID": "2", "title": "x" * 100_001})
    assert refused.value.status_code == 400
    assert not products.client.index_exists(products.name)


def test_records_and_settings_survive_a_restart(run_server: Callable[[], Any]) -> None:
    with run_server() as client:
        client.wait_for_task(
            "kept", client.set_settings("kept", {"attributesForFaceting": ["brand"]}).task_id
        )
        client.save_objects(
            "kept", [{"objectID": "1", "title": "dress", "brand": "Zara"}], wait_for_tasks=True
        )
        last = client.save_object("kept", {"objectID": "2", "title": "late dress", "brand": "Zara"})
    with run_server() as client:
        assert client.get_task("kept", last.task_id).status == "published"
        found = client.search_single_index("kept", {"query": "dress", "filters": "brand:Zara"}).to_dict()
        assert {hit["objectID"] for hit in found["hits"]} == {"1", "2"}


def test_indices_come_in_pages_only_when_a_page_is_asked_for(products: Any) -> None:
    """The SDK on `page`: "If `null`, the API response is not paginated"."""
    for number in range(3):
        saved = products.client.save_object(f"{products.name}-{number}", {"objectID": "1"})
        products.client.wait_for_task(f"{products.name}-{number}", saved.task_id)
    paged = products.client.list_indices(page=0, hits_per_page=2)
    assert (len(paged.items), paged.nb_pages >= 2) == (2, True)
    names = {item.name for item in products.client.list_indices(hits_per_page=2).items}
    assert {f"{products.name}-{number}" for number in range(3)} <= names
