"""Tripwires: what the fast lane takes from Faust's inside is still as it was taken.

Each test fails when a new Faust changes something that agents/lane.py stands on; read that
module's docstring before mending.
"""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import faust
from faust.transport import consumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents.lane import LaneConsumer, is_compiled, use_lane


def test_faust_is_the_one_that_was_read() -> None:
    """The version is one whose inside was looked at."""
    assert version("faust-streaming").split(".")[:2] == ["0", "15"]


def test_the_compiled_parts_are_there() -> None:
    """On this platform Faust comes with its compiled stream iterator."""
    assert is_compiled()


def test_records_are_fetched_as_before() -> None:
    """`getmany` still gets records and active partitions from one call, and yields messages."""
    source = inspect.getsource(consumer.Consumer.getmany)

    assert list(inspect.signature(consumer.Consumer.getmany).parameters) == ["self", "timeout"]
    assert "records, active_partitions = await self._wait_next_records(timeout)" in source
    assert "self._buffered_partitions" in source


def test_messages_are_made_as_before() -> None:
    """A message is made of a partition and a record, and knows the generation it was read in."""
    source = inspect.getsource(driver.Consumer._to_message)

    assert list(inspect.signature(driver.Consumer._to_message).parameters) == ["self", "tp", "record"]
    assert "generation_id=self.app.consumer_generation_id" in source


def test_offsets_are_found_as_before() -> None:
    """A commit still asks `_new_offset` for each partition, which goes by what `ack` has noted."""
    assert "await self._add_gap(tp, r_offset + 1, offset)" in inspect.getsource(
        consumer.Consumer._drain_messages
    )
    assert "self._new_offset(tp)" in inspect.getsource(consumer)
    assert "acked_for_tp.append(offset)" in inspect.getsource(consumer.Consumer.ack)


def test_the_offset_after_the_latest_run_is_committed() -> None:
    """However many runs were acked since the last commit, one commit covers them all."""
    acked: dict[TP, list[int]] = {TP("t", 0): [499, 999, 1_480], TP("t", 1): []}
    lane = object.__new__(LaneConsumer)
    lane._acked = acked
    lane._acked_index = {TP("t", 0): {499, 999, 1_480}, TP("t", 1): set()}

    assert lane._new_offset(TP("t", 0)) == 1_481
    assert lane._new_offset(TP("t", 0)) is None
    assert lane._new_offset(TP("t", 1)) is None


def test_acks_pass_the_consumer() -> None:
    """An ack still ends in `Consumer.ack(message)`, where stale ones are refused."""
    assert list(inspect.signature(consumer.Consumer.ack).parameters) == ["self", "message"]


def test_the_reader_is_made_as_faust_makes_its_thread() -> None:
    """The consumer still makes its thread by a method of its own, and keeps it under the same name."""
    assert "AIOKafkaConsumerThread(self, loop=self.loop" in inspect.getsource(
        driver.Consumer._new_consumer_thread
    )
    assert "self._thread = self._new_consumer_thread()" in inspect.getsource(consumer)


def test_the_transport_can_be_set() -> None:
    """An app takes the lane's transport, whose consumer reads the named topics in runs."""

    async def app_with_lane() -> Any:
        app = faust.App("lane-test", broker="kafka://127.0.0.1:1", topic_disable_leader=True)
        use_lane(app, ["127.0.0.1:1"], {"cx.touchpoints.v1": 4}, 250)
        return app.transport

    transport = asyncio.run(app_with_lane())

    assert issubclass(transport.Consumer, LaneConsumer)
    assert transport.Consumer.run_topics == {"cx.touchpoints.v1"}
    assert transport.Consumer.run_length == 250
