"""The line before the places in which questions are answered; every step waits for an event."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, cast

import pytest

from qa.web.line import FullError, LeftError, Line

LONGEST = 30.0  # seconds; a test that waits for so long has failed


class Job:
    """Work that begins, says so, and ends when it is told to."""

    def __init__(self, name: str, log: list[str], fails: bool = False) -> None:
        self.name, self.log, self.fails = name, log, fails
        self.go_on, self.began, self.closed = (threading.Event() for _ in range(3))

    def __call__(self) -> Iterator[str]:
        try:
            self.log.append(f"{self.name} begins")
            self.began.set()
            yield f"{self.name} 1"
            assert self.go_on.wait(LONGEST)
            if self.fails:
                raise ValueError(self.name)
            yield f"{self.name} 2"
        finally:
            self.log.append(f"{self.name} ends")
            self.closed.set()


def always() -> bool:
    return True


class Asker:
    """One who asks: what was heard so far, and a way to wait until something is heard."""

    def __init__(
        self, line: Line, job: Callable[[], Iterator[str]], wanted: Callable[[], bool] = always
    ) -> None:
        self.heard: list[str] = []
        self._changed = asyncio.Condition()
        self.task = asyncio.create_task(self._run(line.run(job, "at {}".format, wanted)))

    async def _run(self, updates: AsyncIterator[str]) -> None:
        # Closed as soon as it is left, as Gradio and every careful caller do it.
        async with aclosing(cast(Any, updates)) as running:
            async for update in running:
                async with self._changed:
                    self.heard.append(update)
                    self._changed.notify_all()

    async def hears(self, update: str) -> None:
        async with self._changed:
            heard = self._changed.wait_for(lambda: update in self.heard)
            await asyncio.wait_for(heard, LONGEST)

    async def leaves(self) -> None:
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task

    async def ends(self) -> None:
        await asyncio.wait_for(self.task, LONGEST)


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scene())


def test_first_come_is_first_served_and_positions_fall() -> None:
    async def scene() -> None:
        line, log = Line(1, 10), list[str]()
        jobs = [Job(name, log) for name in "abcd"]
        askers = []
        for place, job in enumerate(jobs):
            askers.append(Asker(line, job))
            await askers[-1].hears("a 1" if place == 0 else f"at {place}")
        for served, (job, asker) in enumerate(zip(jobs, askers, strict=True)):
            assert not line.idle
            await asker.hears(f"{job.name} 1")
            for place, behind in enumerate(askers[served + 1 :], start=1):
                await behind.hears(f"at {place}")
            job.go_on.set()
            await asker.ends()
        assert [asker.heard for asker in askers] == [
            ["a 1", "a 2"],
            ["at 1", "b 1", "b 2"],
            ["at 2", "at 1", "c 1", "c 2"],
            ["at 3", "at 2", "at 1", "d 1", "d 2"],
        ]
        assert log == [f"{name} {what}" for name in "abcd" for what in ("begins", "ends")]
        assert line.idle
        line.close()

    run(scene)


def test_as_many_work_at_once_as_there_are_places() -> None:
    async def scene() -> None:
        line, log = Line(2, 10), list[str]()
        jobs = [Job(name, log) for name in "abc"]
        askers = [Asker(line, job) for job in jobs]
        await askers[0].hears("a 1")
        await askers[1].hears("b 1")
        await askers[2].hears("at 1")
        assert not jobs[2].began.is_set()
        jobs[1].go_on.set()
        await askers[2].hears("c 1")
        assert askers[0].heard == ["a 1"], "the first is still at work"
        for job, asker in zip(jobs, askers, strict=True):
            job.go_on.set()
            await asker.ends()
        line.close()

    run(scene)


def test_full_line_refuses_at_once() -> None:
    async def scene() -> None:
        line, log = Line(1, 2), list[str]()
        jobs = [Job(name, log) for name in "abcd"]
        first = Asker(line, jobs[0])
        await first.hears("a 1")
        second, third = Asker(line, jobs[1]), Asker(line, jobs[2])
        await second.hears("at 1")
        await third.hears("at 2")
        late = Asker(line, jobs[3])
        with pytest.raises(FullError):
            await late.ends()
        assert late.heard == []
        assert not jobs[3].began.is_set()
        for job, asker in zip(jobs, (first, second, third), strict=False):
            job.go_on.set()
            await asker.ends()
        again = Asker(line, jobs[3])
        jobs[3].go_on.set()
        await again.ends()
        assert again.heard == ["d 1", "d 2"], "there is room again"
        line.close()

    run(scene)


def test_who_leaves_the_line_leaves_it_to_those_behind() -> None:
    async def scene() -> None:
        line, log = Line(1, 2), list[str]()
        jobs = [Job(name, log) for name in "abcd"]
        first = Asker(line, jobs[0])
        await first.hears("a 1")
        second, third = Asker(line, jobs[1]), Asker(line, jobs[2])
        await second.hears("at 1")
        await third.hears("at 2")
        await second.leaves()
        await third.hears("at 1")
        fourth = Asker(line, jobs[3])
        await fourth.hears("at 2")
        for job, asker in ((jobs[0], first), (jobs[2], third), (jobs[3], fourth)):
            job.go_on.set()
            await asker.ends()
        assert not jobs[1].began.is_set()
        assert line.idle
        line.close()

    run(scene)


def test_question_that_is_no_longer_wanted_leaves_the_line() -> None:
    async def scene() -> None:
        line, log = Line(1, 5), list[str]()
        jobs = [Job(name, log) for name in "abc"]
        wanted = threading.Event()
        wanted.set()
        first = Asker(line, jobs[0])
        await first.hears("a 1")
        second = Asker(line, jobs[1], wanted.is_set)
        third = Asker(line, jobs[2])
        await second.hears("at 1")
        await third.hears("at 2")
        wanted.clear()
        with pytest.raises(LeftError):
            await second.ends()
        await third.hears("at 1")
        for job, asker in ((jobs[0], first), (jobs[2], third)):
            job.go_on.set()
            await asker.ends()
        assert not jobs[1].began.is_set()
        assert line.idle
        line.close()

    run(scene)


def test_who_leaves_while_at_work_frees_the_place_and_the_work_is_closed() -> None:
    async def scene() -> None:
        line, log = Line(1, 2), list[str]()
        first, second = Job("a", log), Job("b", log)
        leaving = Asker(line, first)
        await leaving.hears("a 1")
        waiting = Asker(line, second)
        await waiting.hears("at 1")
        leaving.task.cancel()
        first.go_on.set()  # a step that runs cannot be broken off: it is let go on
        with pytest.raises(asyncio.CancelledError):
            await leaving.task
        await waiting.hears("b 1")
        assert await asyncio.to_thread(first.closed.wait, LONGEST)
        second.go_on.set()
        await waiting.ends()
        assert leaving.heard == ["a 1"]
        assert line.idle
        line.close()

    run(scene)


def test_place_of_one_who_leaves_during_a_step_is_free_only_when_its_thread_is() -> None:
    async def scene() -> None:
        line, log = Line(1, 2), list[str]()
        first, second = Job("a", log), Job("b", log)
        leaving = Asker(line, first)
        await leaving.hears("a 1")
        assert await asyncio.to_thread(first.began.wait, LONGEST)
        await leaving.leaves()  # its second step runs, and would for half a minute
        assert (line.running, line.idle) == (1, False)
        waiting = Asker(line, second)
        await waiting.hears("at 1")
        first.go_on.set()
        second.go_on.set()
        await waiting.ends()
        assert waiting.heard == ["at 1", "b 1", "b 2"]
        assert log == ["a begins", "a ends", "b begins", "b ends"]
        assert line.idle
        line.close()

    run(scene)


def test_place_that_comes_to_one_who_just_left_goes_to_the_next() -> None:
    async def scene() -> None:
        line, log = Line(1, 5), list[str]()
        jobs = [Job(name, log) for name in "abc"]
        first = line.run(jobs[0], "at {}".format)
        assert await anext(first) == "a 1"
        second, third = Asker(line, jobs[1]), Asker(line, jobs[2])
        await second.hears("at 1")
        await third.hears("at 2")
        jobs[0].go_on.set()
        async for _ in first:
            pass
        second.task.cancel()  # the place is the second's, which has had no chance to notice
        await third.hears("c 1")
        jobs[2].go_on.set()
        await third.ends()
        assert second.task.cancelled()
        assert not jobs[1].began.is_set()
        assert line.idle
        line.close()

    run(scene)


def test_error_in_the_work_is_raised_and_frees_the_place() -> None:
    async def scene() -> None:
        line, log = Line(1, 2), list[str]()
        bad, good = Job("a", log, fails=True), Job("b", log)
        unlucky = Asker(line, bad)
        await unlucky.hears("a 1")
        next_one = Asker(line, good)
        await next_one.hears("at 1")
        bad.go_on.set()
        with pytest.raises(ValueError, match="a"):
            await unlucky.ends()
        good.go_on.set()
        await next_one.ends()
        assert next_one.heard == ["at 1", "b 1", "b 2"]
        assert line.idle
        line.close()

    run(scene)


def test_error_before_the_first_step_frees_the_place() -> None:
    def broken() -> Iterator[str]:
        raise ValueError("at once")

    async def scene() -> None:
        line = Line(1, 2)
        with pytest.raises(ValueError, match="at once"):
            await Asker(line, broken).ends()
        assert line.idle
        line.close()

    run(scene)


def test_who_leaves_between_two_updates_closes_the_work() -> None:
    async def scene() -> None:
        line, log = Line(1, 2), list[str]()
        job = Job("a", log)
        updates: AsyncIterator[str] = line.run(job, str)
        assert await anext(updates) == "a 1"
        await cast(Any, updates).aclose()
        assert await asyncio.to_thread(job.closed.wait, LONGEST)
        assert log == ["a begins", "a ends"]
        assert line.idle
        line.close()

    run(scene)


def test_closed_line_takes_no_more_work() -> None:
    async def scene() -> None:
        line, log = Line(1, 2), list[str]()
        job = Job("a", log)
        job.go_on.set()
        asker = Asker(line, job)
        await asker.ends()
        line.close()
        with pytest.raises(RuntimeError):
            await Asker(line, Job("b", log)).ends()
        assert log == ["a begins", "a ends"]

    run(scene)
