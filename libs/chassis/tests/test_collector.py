"""What a serving process tells the garbage collector."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from threadly_chassis.collector import tune_collector


@pytest.fixture
def tuned() -> Iterator[None]:
    before = gc.get_threshold()
    tune_collector()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("tuned")
def test_what_the_start_has_made_is_left_to_itself() -> None:
    assert gc.get_freeze_count() > 10_000
    assert len(gc.get_objects()) < gc.get_freeze_count()


class _Ring:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("tuned")
def test_what_is_made_later_is_collected_still() -> None:
    garbage = weakref.ref(_Ring())
    kept: list[list[int]] = [[] for _ in range(3 * gc.get_threshold()[0])]
    assert garbage() is None, f"still there after {len(kept)} new containers"
