"""Any sequence of calls, as time goes by, against a model of the queue port that keeps plain lists."""

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from burstlens.queues.base import BURIAL_ATTEMPTS, Delivery, Depth, Message, QueueOptions
from support.aws_doubles import Doubles
from support.queue_backends import BACKENDS, QueueBackend

T = TypeVar("T")
OPTIONS = QueueOptions(lease_seconds=10.0, max_attempts=1)
MOST_DELIVERIES = OPTIONS.max_attempts + BURIAL_ATTEMPTS

MACHINE_SETTINGS = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
REAL_TIME_SETTINGS = settings(MACHINE_SETTINGS, max_examples=6, stateful_step_count=25)
SOME = st.data()


@dataclass
class Expected:
    """What the model knows of one message that is not done."""

    attempts: int = 0
    receipt: str = ""
    visible_at: float = 0.0
    """Seconds since the machine started."""
    leased: bool = False


@dataclass
class Model:
    """The queue as the port describes it."""

    now: float = 0.0
    live: dict[str, Expected] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    """Deliveries of each dead letter, by body."""

    def visible(self) -> set[str]:
        return {body for body, message in self.live.items() if message.visible_at <= self.now}

    def exhausted(self) -> set[str]:
        return {body for body in self.visible() if self.live[body].attempts >= MOST_DELIVERIES}

    def holds(self, delivery: Delivery) -> bool:
        message = self.live.get(delivery.body)
        return message is not None and message.receipt == delivery.receipt

    def bury(self, body: str) -> None:
        self.dead[body] = self.live.pop(body).attempts


class QueueMachine(RuleBasedStateMachine):
    """Two handles, as of two processes, that are used in turn. Bodies are unique and stand for their message.

    Time stands still, or would if it could: then every length of time is far longer than the test.
    """

    backend: QueueBackend
    doubles: Doubles
    unit_seconds = 20.0
    """What all lengths of time are counted in."""

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.opened = self.run(self.stack.enter_async_context(self.backend.open(Path(folder), self.doubles)))
        options = replace(OPTIONS, lease_seconds=OPTIONS.lease_seconds * self.unit_seconds)
        self.queue = self.run(self.opened.queues.create("q", options))
        self.other = self.run(self.opened.others.open("q"))
        self.finisher = self.queue if self.backend.receipts_travel else self.other
        self.model = Model()
        self.sent = 0
        self.deliveries: list[Delivery] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        if hasattr(self, "stack"):
            self.run(self.stack.aclose())
            self.runner.close()

    def some_deliveries(self, data: st.DataObject) -> list[Delivery]:
        """Any that were ever received, newer ones rather than older ones, stale ones too."""
        recent = self.deliveries[-6:]
        return data.draw(st.lists(st.sampled_from(recent), unique=True, max_size=3)) if recent else []

    @rule(delays=st.lists(st.sampled_from([0, 0, 0, 5, 30]), max_size=4))
    def send(self, delays: list[int]) -> None:
        messages = []
        for delay in delays:
            self.sent += 1
            messages.append(Message(f"m{self.sent}", delay_seconds=delay * self.unit_seconds))
            self.model.live[f"m{self.sent}"] = Expected(visible_at=self.model.now + delay)
        self.run(self.queue.send(messages))

    @rule(limit=st.integers(1, 5))
    def receive(self, limit: int) -> None:
        visible, exhausted = self.model.visible(), self.model.exhausted()
        received = self.run(self.other.receive(limit, wait_seconds=0))
        assert len({delivery.body for delivery in received}) == len(received)
        assert {delivery.body for delivery in received} <= visible - exhausted
        assert len(received) == min(limit, len(visible - exhausted))
        for delivery in received:
            message = self.model.live[delivery.body]
            message.attempts += 1
            assert delivery.attempt == message.attempts
            message.receipt, message.leased = delivery.receipt, True
            message.visible_at = self.model.now + OPTIONS.lease_seconds
        self.deliveries += received
        # Those delivered too often die on the way: all of them when the receive looked at all, else perhaps some.
        died = {letter.body for letter in self.run(self.queue.dead_letters())} - self.model.dead.keys()
        assert died <= exhausted
        if len(received) < limit:
            assert died == exhausted
        for body in died:
            self.model.bury(body)

    @rule(data=SOME, seconds=st.sampled_from([1, 10, 40]))
    def extend(self, data: st.DataObject, seconds: int) -> None:
        chosen = self.some_deliveries(data)
        lost = [
            delivery
            for delivery in chosen
            if not self.model.holds(delivery) or self.model.live[delivery.body].visible_at <= self.model.now
        ]
        assert self.run(self.other.extend(chosen, seconds * self.unit_seconds)) == lost
        for delivery in chosen:
            if delivery not in lost:
                self.model.live[delivery.body].visible_at = self.model.now + seconds

    @rule(data=SOME, delay=st.sampled_from([0, 0, 7]))
    def release(self, data: st.DataObject, delay: int) -> None:
        chosen = self.some_deliveries(data)
        self.run(self.other.release(chosen, delay * self.unit_seconds))
        for delivery in filter(self.model.holds, chosen):
            message = self.model.live[delivery.body]
            message.attempts -= self.backend.release_refunds_attempt
            message.receipt, message.leased = "", not self.backend.released_is_delayed
            message.visible_at = self.model.now + delay

    @rule(data=SOME)
    def delete(self, data: st.DataObject) -> None:
        chosen = self.some_deliveries(data)
        self.run(self.finisher.delete(chosen))
        for delivery in filter(self.model.holds, chosen):
            del self.model.live[delivery.body]

    @rule(data=SOME)
    def bury(self, data: st.DataObject) -> None:
        chosen = self.some_deliveries(data)
        self.run(self.finisher.bury(chosen, "why"))
        for delivery in filter(self.model.holds, chosen):
            self.model.bury(delivery.body)

    @rule()
    def redrive(self) -> None:
        assert self.run(self.other.redrive()) == len(self.model.dead)
        for body in self.model.dead:
            self.model.live[body] = Expected(visible_at=self.model.now)
        self.model.dead.clear()

    @rule(data=SOME)
    def purge(self, data: st.DataObject) -> None:
        letters = self.run(self.other.dead_letters())
        chosen = data.draw(st.lists(st.sampled_from(letters), max_size=2)) if letters else []
        ids = {letter.message_id for letter in chosen}
        assert self.run(self.other.purge_dead_letters(list(ids))) == len(ids)
        for letter in chosen:
            self.model.dead.pop(letter.body, None)

    @invariant()
    def depth_and_dead_letters_agree(self) -> None:
        hidden = [message for message in self.model.live.values() if message.visible_at > self.model.now]
        leased = sum(message.leased for message in hidden)
        expected = Depth(visible=len(self.model.visible()), in_flight=leased, delayed=len(hidden) - leased)
        assert replace(self.run(self.queue.depth()), age_seconds=0.0) == expected
        assert self.run(self.other.dead_letter_count()) == len(self.model.dead)
        letters = self.run(self.queue.dead_letters())
        assert {letter.body: letter.attempts for letter in letters} == self.model.dead


class TimedQueueMachine(QueueMachine):
    """And time passes."""

    unit_seconds = 1.0

    @rule(seconds=st.sampled_from([1, 9, 10, 11, 60]))
    def pass_time(self, seconds: int) -> None:
        self.run(self.opened.pass_time(seconds))
        self.model.now += seconds


@pytest.mark.parametrize("backend", [b for b in BACKENDS if b.manual_time and not b.uvloop], ids=lambda b: b.name)
def test_any_sequence_of_calls_does_what_the_model_does(backend: QueueBackend, doubles: Doubles) -> None:
    machine = type("Machine", (TimedQueueMachine,), {"backend": backend, "doubles": doubles})
    run_state_machine_as_test(machine, settings=MACHINE_SETTINGS)


@pytest.mark.usefixtures("aws_credentials")
@pytest.mark.parametrize("backend", [b for b in BACKENDS if not b.manual_time], ids=lambda b: b.name)
def test_any_sequence_of_calls_within_all_leases_does_what_the_model_does(
    backend: QueueBackend, doubles: Doubles
) -> None:
    machine = type("Machine", (QueueMachine,), {"backend": backend, "doubles": doubles})
    run_state_machine_as_test(machine, settings=REAL_TIME_SETTINGS)
