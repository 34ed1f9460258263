"""CPython's `asynccontextmanager` in the seven scenarios: prints nanoseconds for each, as JSON."""

import asyncio
import json
import statistics
import time
from contextlib import asynccontextmanager


class Failed(Exception):
    pass


class Resource:
    acquired = released = 0

    def __init__(self):
        self.sum = 0
        Resource.acquired += 1

    def add(self, number):
        self.sum += number
        return self.sum

    def release(self):
        Resource.released += 1


class Pend:
    """Is ready when it is asked for the second time."""

    def __await__(self):
        yield


@asynccontextmanager
async def managed(pends):
    if pends:
        await Pend()
    resource = Resource()
    try:
        yield resource
    finally:
        if pends:
            await Pend()
        resource.release()


async def ready():
    async with managed(False) as resource:
        return resource.add(1)


async def pends():
    async with managed(True) as resource:
        await Pend()
        return resource.add(1)


async def nested():
    async with managed(False) as outer:
        async with managed(False) as middle:
            async with managed(False) as inner:
                total = inner.add(1)
            total = middle.add(total + 1)
        return outer.add(total + 1)


async def error():
    async with managed(False) as resource:
        resource.add(1)
        raise Failed


async def panic():
    async with managed(False) as resource:
        assert resource.add(1) == 0


async def dropped():
    async with managed(False) as resource:
        resource.add(1)
        while True:
            await Pend()


async def polled():
    async with managed(False) as resource:
        for _ in range(1000):
            await Pend()
            total = resource.add(1)
        return total


def spin(scenario):
    coroutine = scenario()
    try:
        while True:
            coroutine.send(None)
    except (StopIteration, Failed, AssertionError):
        pass


def drop_in_block(scenario):
    coroutine = scenario()
    coroutine.send(None)
    try:
        coroutine.throw(asyncio.CancelledError)
    except asyncio.CancelledError:
        pass


def median(scenario, run, times):
    def once():
        start = time.perf_counter_ns()
        for _ in range(times):
            run(scenario)
        return (time.perf_counter_ns() - start) / times

    return statistics.median(once() for _ in range(15))


scenarios = [ready, pends, nested, error, panic, dropped, polled]
runs = {dropped: drop_in_block}
times = [median(it, runs.get(it, spin), 50 if it is polled else 2000) for it in scenarios]
assert Resource.acquired == Resource.released
print(json.dumps(times))
