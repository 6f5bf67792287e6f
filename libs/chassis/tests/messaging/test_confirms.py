"""Which answer of the broker is whose: confirms come one by one or several at once."""

from collections import deque
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands as spec

from threadly_chassis.messaging.publisher import BatchChannel, Confirmation, Outgoing, _Batch


class _Done:
    """Stands in for a batch's future, which needs a loop."""

    def __init__(self) -> None:
        self.times = 0

    def done(self) -> bool:
        return bool(self.times)

    def set_result(self, _: None) -> None:
        self.times += 1


def _told(frame: spec.Basic.Ack | spec.Basic.Nack, channel: BatchChannel) -> None:
    with pytest.raises(StopIteration):
        channel._on_confirm_frame(frame).send(None)


#: Messages in each of the batches that are under way at once.
_SIZES = (3, 1, 5)
_TAGS = st.integers(1, sum(_SIZES))


@given(
    st.lists(st.tuples(_TAGS, st.booleans(), st.sampled_from((spec.Basic.Ack, spec.Basic.Nack)))),
    st.sets(_TAGS),
)
def test_every_message_gets_the_first_answer_that_covers_it(
    frames: list[tuple[int, bool, type[spec.Basic.Ack | spec.Basic.Nack]]], returned: set[int]
) -> None:
    """One by one or several at once, in any order, over several batches under way."""
    channel = object.__new__(BatchChannel)
    channel._batches, channel._settled_below = deque(), 1
    expected = dict.fromkeys(range(1, sum(_SIZES) + 1), Confirmation.UNKNOWN)
    batches: list[_Batch] = []
    for size in _SIZES:
        first = batches[-1].end_tag if batches else 1
        batch = _Batch(first, [Outgoing("", "", spec.Basic.Properties(), b"")] * size, cast("Any", _Done()))
        batch.returned = {tag - first for tag in returned if first <= tag < first + size}
        batches.append(batch)
    channel._batches.extend(batches)
    for tag, multiple, kind in frames:
        _told(kind(delivery_tag=tag, multiple=multiple), channel)
        outcome = Confirmation.CONFIRMED if kind is spec.Basic.Ack else Confirmation.REFUSED
        for covered in range(1, tag + 1) if multiple else (tag,):
            if expected[covered] is Confirmation.UNKNOWN:
                expected[covered] = Confirmation.RETURNED if covered in returned else outcome
    assert [outcome for batch in batches for outcome in batch.outcomes] == list(expected.values())
    for batch in batches:
        assert batch.done.done() is (Confirmation.UNKNOWN not in batch.outcomes)
