#!/usr/bin/env python3
"""41 programs with context managers in the shape of public Python code, and a generator of their traces.

    python3 ports.py > traces.txt

Each program is a function `cNN_name(t)`. Above it are its managers. What they open is a stand-in: each call of a
library is `t.op(name)`, which logs its name and takes one second. `t.work()` is what the user does in the block. The time
is virtual. `PORTS` of main.rs has the same programs in Rust.

Each program is run with a block that succeeds, with one that raises an `Exception` (`error`), with one that raises
another `BaseException` (`panic`), and under an `asyncio.timeout` that strikes at 0.4 s, at 1.4 s, and so on up to the
end of that work: `block@T` in the work, `early@T` before it, in an enter phase or in what the block does first.

Needs CPython 3.11, and nothing else.
"""

import asyncio
import selectors
from contextlib import AsyncExitStack, asynccontextmanager, suppress

PORTS = []


def port(function):
    PORTS.append(function)
    return function


# The frame: virtual time, the log, and how a program is run.


class Bad(Exception):
    """The block fails."""


class Net(Exception):
    """A connection fails."""


class Lost(Exception):
    """A lock or a connection is lost."""


class Panic(BaseException):
    """What no `except Exception` catches."""


class VirtualSelector(selectors.SelectSelector):
    """Does not wait: the time of the loop goes to the next timer."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def select(self, timeout=None):
        events = super().select(0)
        if not events and timeout is not None:
            self.now += timeout
        return events


def new_loop():
    selector = VirtualSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now
    return loop


class Trace:
    """A list of events: time, task, name. The main task has an empty name."""

    def __init__(self, mode, events=None, task=""):
        self.mode = mode
        self.events = [] if events is None else events
        self.task = task

    def child(self, task):
        return Trace(self.mode, self.events, task)

    def log(self, event):
        self.events.append((round(asyncio.get_running_loop().time(), 3), self.task, event))

    async def op(self, event):
        self.log(event)
        await asyncio.sleep(1)

    async def work(self):
        await self.op("work")
        await self.op("more work")
        if self.mode == "error":
            raise Bad
        if self.mode == "panic":
            raise Panic
        self.log("done")
        return 7


def leaves(error):
    """The names of the errors in a group, or of one error."""
    if isinstance(error, BaseExceptionGroup):
        return [name for inner in error.exceptions for name in leaves(inner)]
    return [type(error).__name__]


async def run(program, mode, limit):
    trace = Trace(mode)
    try:
        async with asyncio.timeout(limit):
            value = await program(trace)
        trace.log(f"=> {value}")
    except BaseException as error:
        trace.log("=> " + ", ".join(leaves(error)))
    await asyncio.sleep(100)  # what comes late is in the trace, too
    return trace.events


def run_alone(program, mode, limit=None):
    loop = new_loop()
    try:
        return loop.run_until_complete(run(program, mode, limit))
    finally:
        loop.close()


def time_of(events, event):
    return next(time for time, _, name in events if name == event)


def traces(program):
    success = run_alone(program, "success")
    yield "success", success
    for mode in ("error", "panic"):
        yield mode, run_alone(program, mode)
    begin = time_of(success, "work")
    end = next((time for time, _, name in success if name == "done"), begin + 1)
    limit = 0.4
    while limit < end:
        yield f"{'early' if limit < begin else 'block'}@{limit:g}", run_alone(program, "success", limit)
        limit = round(limit + 1, 3)


def line(program, mode, events):
    """Events of different tasks at one time have no order: they are sorted by task, the main task first."""
    events = sorted(events, key=lambda event: event[:2])
    shown = (f"{time:g} {task + ': ' if task else ''}{event}" for time, task, event in events)
    return " | ".join([f"{program.__name__} {mode}", *shown])


def main():
    for program in PORTS:
        for mode, events in traces(program):
            print(line(program, mode, events))


# Pools and sessions.


class Conn:
    def __init__(self, t):
        self.t = t

    async def execute(self, sql):
        await self.t.op(sql)

    async def close(self):
        await self.t.op("close")


class Pool:
    def __init__(self, t, breaks=False):
        self.t = t
        self.breaks = breaks

    async def get(self):
        await self.t.op("acquire")
        return Conn(self.t)

    async def put(self, conn):
        await self.t.op("release")
        if self.breaks:
            raise Lost

    def acquire(self):
        return PoolAcquire(self)


class PoolAcquire:
    """asyncpg: `pool.acquire()`."""

    def __init__(self, pool):
        self.pool = pool

    async def __aenter__(self):
        self.conn = await self.pool.get()
        return self.conn

    async def __aexit__(self, *exc):
        await self.pool.put(self.conn)


@port
async def c05_asyncpg_pool(t):
    async with Pool(t).acquire() as conn:
        await conn.execute("SELECT")
        return await t.work()


@port
async def c05c_asyncpg_broken_release(t):
    """The exit phase fails, and its error replaces all others."""
    async with Pool(t, breaks=True).acquire():
        return await t.work()


@asynccontextmanager
async def shielded_connection(pool):
    """asyncpg: the release is under `asyncio.shield`."""
    conn = await pool.get()
    try:
        yield conn
    finally:
        await asyncio.shield(pool.put(conn))


@port
async def c05s_asyncpg_shielded_release(t):
    async with shielded_connection(Pool(t)) as conn:
        await conn.execute("SELECT")
        return await t.work()


class Transaction:
    """asyncpg: `conn.transaction()`."""

    def __init__(self, conn):
        self.conn = conn

    async def __aenter__(self):
        await self.conn.execute("BEGIN")

    async def __aexit__(self, exc_type, exc, tb):
        await self.conn.execute("COMMIT" if exc_type is None else "ROLLBACK")


@port
async def c06_asyncpg_transaction(t):
    async with Pool(t).acquire() as conn, Transaction(conn):
        await conn.execute("UPDATE")
        return await t.work()


@asynccontextmanager
async def session_scope(pool):
    """SQLAlchemy: the usual scope of a session. A cancellation only closes it."""
    session = await pool.get()
    try:
        yield session
        await session.execute("COMMIT")
    except Exception:
        await session.execute("ROLLBACK")
        raise
    finally:
        await session.close()


@port
async def c07_sqlalchemy_session_scope(t):
    async with session_scope(Pool(t)) as session:
        await session.execute("INSERT")
        return await t.work()


class AsyncSession:
    """SQLAlchemy: the class closes under `asyncio.shield`."""

    def __init__(self, t):
        self.t = t

    async def __aenter__(self):
        await self.t.op("checkout")
        return self

    async def __aexit__(self, *exc):
        task = asyncio.create_task(self.close())
        await asyncio.shield(task)

    async def close(self):
        await self.t.op("rollback and close")


@port
async def c07s_sqlalchemy_session(t):
    async with AsyncSession(t):
        return await t.work()


@asynccontextmanager
async def savepoint(conn):
    """databases: a transaction in a transaction."""
    await conn.execute("SAVEPOINT")
    try:
        yield
    except BaseException:
        await conn.execute("ROLLBACK TO")
        raise
    await conn.execute("RELEASE SAVEPOINT")


@port
async def c08_savepoint(t):
    """An error of the inner block is handled in the outer one."""
    async with Pool(t).acquire() as conn, Transaction(conn):
        try:
            async with savepoint(conn):
                return await t.work()
        except Bad:
            await conn.execute("UPDATE failures")
            return 0


# Locks and leases.


class RedisLock:
    """redis-py: tries until it has the lock, and releases it by a script."""

    def __init__(self, t):
        self.t = t
        self.tries = 0

    async def __aenter__(self):
        while not await self.try_acquire():
            await asyncio.sleep(1)
        return self

    async def __aexit__(self, *exc):
        await self.t.op("EVAL release")

    async def try_acquire(self):
        self.tries += 1
        await self.t.op("SET NX")
        return self.tries == 2


@port
async def c03_redis_lock(t):
    async with RedisLock(t):
        return await t.work()


class Pipeline:
    """redis-py: resets itself."""

    def __init__(self, t):
        self.t = t
        self.watches = False

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        await self.reset()

    async def watch(self, key):
        await self.t.op(f"WATCH {key}")
        self.watches = True

    async def execute(self):
        await self.t.op("MULTI EXEC")
        self.watches = False

    async def reset(self):
        if self.watches:
            await self.t.op("UNWATCH")
        self.t.log("back to the pool")


@port
async def c04_redis_pipeline(t):
    async with Pipeline(t) as pipe:
        await pipe.watch("balance")
        value = await t.work()
        await pipe.execute()
        return value


class Limiter:
    """A limiter with one slot on a server, for which it asks again and again. Many tasks enter it at a time."""

    def __init__(self):
        self.is_free = True

    async def try_take(self, t):
        taken, self.is_free = self.is_free, False
        await t.op("ZADD")
        return taken

    async def give_back(self, t):
        await t.op("ZREM")
        self.is_free = True

    @asynccontextmanager
    async def slot(self, t):
        while not await self.try_take(t):
            await asyncio.sleep(0.5)
        try:
            yield
        finally:
            await self.give_back(t)


@port
async def c09_limiter(t):
    """Two tasks, one slot: one works while the other one waits to enter."""
    limiter = Limiter()

    async def first():
        async with limiter.slot(t.child("a")):
            return await t.work()

    async def second():
        async with limiter.slot(t.child("b")):
            await t.child("b").op("work of b")

    async with asyncio.TaskGroup() as group:
        working = group.create_task(first())
        group.create_task(second())
    return working.result()


async def renew(t):
    """Renews a lease. In the mode `error`, the second renewal fails."""
    for number in range(1, 100):
        await asyncio.sleep(0.75)
        t.log("renew")
        if t.mode == "error" and number == 2:
            raise Lost


@asynccontextmanager
async def lease(t):
    """etcd: a lease that is renewed while the block runs. If it is lost, the block is stopped."""
    await t.op("grant")
    try:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(renew(t.child("renewal")))
            try:
                yield
            finally:
                renewing.cancel()
    finally:
        await t.op("revoke")


@port
async def c10_etcd_lease(t):
    async with lease(t):
        return await t.work()


@asynccontextmanager
async def file_lock(t, tries):
    """filelock: polls, with a time limit for entering."""
    async with asyncio.timeout(5.25):
        while not await try_flock(t, tries):
            await asyncio.sleep(1)
    try:
        yield
    finally:
        await t.op("unlock")


async def try_flock(t, tries):
    await t.op("flock")
    return next(tries) == 2


@port
async def c28_file_lock(t):
    """The first lock is acquired, the second one is not in time."""
    async with file_lock(t, iter(range(9))):
        value = await t.work()
        try:
            async with file_lock(t, iter(range(9, 18))):
                t.log("not reached")
        except TimeoutError:
            t.log("no second lock")
        return value


# Clients.


class Response:
    def __init__(self, t):
        self.t = t
        self.chunks = iter((b"ab", b"c"))

    async def read_chunk(self):
        await self.t.op("read")
        return next(self.chunks, None)

    async def aclose(self):
        await self.t.op("close response")


async def send(t):
    await t.op("send request")
    return Response(t)


@asynccontextmanager
async def stream(t):
    """httpx: `client.stream(..)`."""
    response = await send(t)
    try:
        yield response
    finally:
        await response.aclose()


@port
async def c13_httpx_stream(t):
    async with stream(t) as response:
        size = 0
        while (chunk := await response.read_chunk()) is not None:
            size += len(chunk)
        return size + await t.work()


class ClientSession:
    """aiohttp: the session, and the context of one request."""

    def __init__(self, t):
        self.t = t

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc):
        await self.t.op("close connector")

    def get(self):
        return RequestContext(send(self.t))


class RequestContext:
    def __init__(self, coro):
        self.coro = coro

    async def __aenter__(self):
        self.response = await self.coro
        return self.response

    async def __aexit__(self, *exc):
        await self.response.aclose()


@port
async def c14_aiohttp_session(t):
    async with ClientSession(t) as session:
        async with session.get() as response:
            await response.read_chunk()
            return await t.work()


class BotoClient:
    def __init__(self, t):
        self.t = t

    async def __aenter__(self):
        await self.t.op("open endpoint")
        return self

    async def __aexit__(self, *exc):
        await self.t.op("close endpoint")


class ClientCreatorContext:
    """aiobotocore: creates a client, and hands its methods on."""

    def __init__(self, coro):
        self.coro = coro

    async def __aenter__(self):
        self.client = await self.coro
        return await self.client.__aenter__()

    async def __aexit__(self, *exc):
        await self.client.__aexit__(*exc)


async def create_client(t):
    await t.op("load service model")
    return BotoClient(t)


@port
async def c15_aiobotocore_client(t):
    async with ClientCreatorContext(create_client(t)) as client:
        await client.t.op("list buckets")
        return await t.work()


class Transport:
    def __init__(self, t, name):
        self.t = t
        self.name = name

    async def __aenter__(self):
        await self.t.op(f"open {self.name}")

    async def __aexit__(self, exc_type, exc, tb):
        await self.t.op(f"{'close' if exc_type is None else 'abort'} {self.name}")


class AsyncClient:
    """httpx: enters its transports one by one, without a stack."""

    def __init__(self, transports):
        self.transports = transports

    async def __aenter__(self):
        for transport in self.transports:
            await transport.__aenter__()
        return self

    async def __aexit__(self, *exc):
        for transport in self.transports:
            await transport.__aexit__(*exc)


@port
async def c16_httpx_client(t):
    """A client that is stopped while it opens the second transport leaves the first one open."""
    async with AsyncClient([Transport(t, "direct"), Transport(t, "proxy")]):
        return await t.work()


class ClientSessionGroup:
    """MCP: keeps an exit stack from `__aenter__` to `__aexit__`."""

    def __init__(self, transports):
        self.transports = transports

    async def __aenter__(self):
        async with AsyncExitStack() as stack:
            for transport in self.transports:
                await stack.enter_async_context(transport)
            self.stack = stack.pop_all()
        return self

    async def __aexit__(self, *exc):
        return await self.stack.__aexit__(*exc)


@port
async def c16b_mcp_session_group(t):
    async with ClientSessionGroup([Transport(t, "a"), Transport(t, "b"), Transport(t, "c")]):
        return await t.work()


class Connect:
    """websockets: a connection, or an endless series of them."""

    def __init__(self, t):
        self.t = t

    async def __aenter__(self):
        await self.t.op("connect")
        return self

    async def __aexit__(self, exc_type, exc, tb):
        await self.t.op("close 1000" if exc_type is None else "close 1011")

    async def __aiter__(self):
        while True:
            async with self as ws:
                yield ws

    async def send(self, message):
        await self.t.op(f"send {message}")


@port
async def c17_websockets_reconnect(t):
    """Nobody closes the generator: asyncio does, when it has lost the last reference."""
    async for ws in Connect(t):
        try:
            await ws.send("hello")
            return await t.work()
        except Net:
            continue


@port
async def c18_websockets_connect(t):
    async with Connect(t) as ws:
        await ws.send("hello")
        return await t.work()


@asynccontextmanager
async def http_client(t):
    await t.op("open client")
    try:
        yield 1
    finally:
        await t.op("close client")


@asynccontextmanager
async def given_or_new(t, given=None):
    """Many SDKs: a client that is given stays open, a new one is closed."""
    if given is not None:
        yield given
    else:
        async with http_client(t) as client:
            yield client


@port
async def c19_given_or_new_client(t):
    async with http_client(t) as given:
        async with given_or_new(t, given) as same, given_or_new(t) as new:
            return same + new + await t.work()


async def post_writer(t, outgoing, server):
    while True:
        message = await outgoing.get()
        await t.op(f"POST {message}")
        await server.put(message)


async def sse_reader(t, server, incoming, started):
    await t.op("endpoint")
    started.set_result(None)
    while True:
        message = await server.get()
        await t.op("event")
        await incoming.put(f"answer to {message}")


@asynccontextmanager
async def sse_client(t):
    """MCP: gives two streams, which two tasks serve. The enter phase waits for one of them."""
    incoming, outgoing, server = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
    started = asyncio.get_running_loop().create_future()
    await t.op("GET /sse")
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(post_writer(t.child("writer"), outgoing, server)),
                group.create_task(sse_reader(t.child("reader"), server, incoming, started)),
            ]
            await started
            try:
                yield incoming, outgoing
            finally:
                for task in tasks:
                    task.cancel()
    finally:
        await t.op("DELETE session")


@port
async def c12_mcp_sse_client(t):
    async with sse_client(t) as (read, write):
        await write.put("ping")
        t.log(await read.get())
        return await t.work()


# Applications.


@asynccontextmanager
async def bare_lifespan(t):
    """FastAPI, as its documentation has it: no `try` around the `yield`."""
    await t.op("load model")
    yield 5
    await t.op("unload model")


@port
async def c01_fastapi_lifespan(t):
    async with bare_lifespan(t) as state:
        return state + await t.work()


@asynccontextmanager
async def lifespan(t, name):
    """Starlette: with `try` and `finally`."""
    await t.op(f"start {name}")
    try:
        yield len(name)
    finally:
        await t.op(f"stop {name}")


@port
async def c01b_starlette_lifespan(t):
    async with lifespan(t, "app") as state:
        return state + await t.work()


@asynccontextmanager
async def merged(t, names):
    """FastAPI: the lifespans of an app and of its parts."""
    async with AsyncExitStack() as stack:
        states = [await stack.enter_async_context(lifespan(t, name)) for name in names]
        yield sum(states)


@port
async def c21_merged_lifespans(t):
    async with merged(t, ["app", "users", "shop"]) as state:
        return state + await t.work()


class App:
    """Starlette: the application is given the function that makes its lifespan."""

    def __init__(self, t, lifespan):
        self.t = t
        self.lifespan = lifespan

    async def serve(self):
        async with self.lifespan(self.t) as state:
            return state + await self.t.work()


@port
async def c22_lifespan_argument(t):
    return await App(t, lambda t: lifespan(t, "shop")).serve()


@asynccontextmanager
async def test_database(t):
    await t.op("CREATE DATABASE")
    try:
        yield
    finally:
        await t.op("DROP DATABASE")


@asynccontextmanager
async def always_rolled_back(t):
    await t.op("BEGIN")
    try:
        yield
    finally:
        await t.op("ROLLBACK")


@port
async def c23_pytest_fixtures(t):
    """pytest: fixtures around a test, as decorators."""

    @test_database(t)
    @always_rolled_back(t)
    async def test():
        return await t.work()

    return await test()


async def context_of(t, name):
    """aiohttp: an item of `app.cleanup_ctx`, which does not see how the application ends."""
    await t.op(f"start {name}")
    yield
    await t.op(f"clean up {name}")


class Runner:
    """aiohttp: starts the items in order, and cleans up in the reverse order."""

    def __init__(self, t, names):
        self.t = t
        self.names = names
        self.started = []

    async def setup(self):
        for name in self.names:
            context = context_of(self.t, name)
            await anext(context)
            self.started.append(context)

    async def cleanup(self):
        for context in reversed(self.started):
            with suppress(StopAsyncIteration):
                await anext(context)


@port
async def c24_aiohttp_cleanup_ctx(t):
    runner = Runner(t, ["redis", "db"])
    try:
        await runner.setup()
        return await t.work()
    finally:
        await runner.cleanup()


# Tasks and processes.


class Process:
    def __init__(self, t):
        self.t = t

    async def close_stdin(self):
        await self.t.op("close stdin")

    async def wait(self):
        self.t.log("wait")
        await asyncio.sleep(10)

    async def terminate(self):
        await self.t.op("terminate")


async def spawn(t):
    await t.op("spawn")
    return Process(t)


async def stdin_writer(t, outgoing, pipe):
    while True:
        message = await outgoing.get()
        await t.op(f"write {message}")
        await pipe.put(message)


async def stdout_reader(t, pipe, incoming, dies):
    if dies and t.mode == "error":
        await asyncio.sleep(1.25)
        t.log("end of file")
        raise Net
    while True:
        message = await pipe.get()
        await t.op(f"read {message}")
        await incoming.put(message)


async def end_process(process):
    await process.close_stdin()
    try:
        async with asyncio.timeout(2):
            await process.wait()
    except TimeoutError:
        await process.terminate()


@asynccontextmanager
async def stdio_client(t, dies=False):
    """MCP: a process, and two tasks for its pipes."""
    incoming, outgoing, pipe = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
    process = await spawn(t)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(stdin_writer(t.child("stdin"), outgoing, pipe)),
            group.create_task(stdout_reader(t.child("stdout"), pipe, incoming, dies)),
        ]
        try:
            yield incoming, outgoing
        finally:
            await end_process(process)
            for task in tasks:
                task.cancel()


@port
async def c02_mcp_stdio_client(t):
    async with stdio_client(t) as (read, write):
        await write.put("initialize")
        await read.get()
        return await t.work()


@port
async def c02x_mcp_stdio_client_dies(t):
    """The mode `error`: the server dies, and its reader fails."""
    async with stdio_client(t, dies=True):
        return await t.work()


@asynccontextmanager
async def running_process(t):
    process = await spawn(t)
    try:
        yield process
    finally:
        await end_process(process)


@asynccontextmanager
async def stdio_client_of_parts(t):
    """The same, with the process in a manager of its own in the block of the group."""
    incoming, pipe = asyncio.Queue(), asyncio.Queue()
    async with asyncio.TaskGroup() as group, running_process(t):
        reading = group.create_task(stdout_reader(t.child("stdout"), pipe, incoming, True))
        try:
            yield incoming, pipe
        finally:
            reading.cancel()


@port
async def c02y_mcp_stdio_client_of_parts(t):
    async with stdio_client_of_parts(t) as (read, pipe):
        if t.mode != "error":
            await pipe.put("hello")
            await read.get()
        return await t.work()


async def beat(t):
    while True:
        await asyncio.sleep(0.75)
        t.log("beat")


@asynccontextmanager
async def heartbeat(t):
    """anyio: a service in the background, which ends with the block."""
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(beat(t.child("heart")))
        try:
            yield
        finally:
            beating.cancel()


@port
async def c11_background_service(t):
    async with lifespan(t, "service"), heartbeat(t):
        return await t.work()


async def consumer(t, name):
    async with lifespan(t.child(name), name):
        while True:
            await t.child(name).op("message")


@port
async def c11c_consumers(t):
    """Two tasks with resources of their own, which they close when they are stopped."""
    async with asyncio.TaskGroup() as group:
        consumers = [group.create_task(consumer(t, name)) for name in ("orders", "mails")]
        value = await t.work()
        for task in consumers:
            task.cancel()
    return value


@port
async def c20_subprocess(t):
    process = await spawn(t)
    try:
        return await t.work()
    finally:
        await end_process(process)


@port
async def c20b_callbacks(t):
    """`try` and `finally` as callbacks on a stack: a directory, and a process in it."""
    async with AsyncExitStack() as stack:
        await t.op("mkdtemp")
        stack.push_async_callback(t.op, "rmtree")
        process = await spawn(t)
        stack.push_async_callback(end_process, process)
        return await t.work()


async def pump(t, outgoing):
    while True:
        message = await outgoing.get()
        await t.op(f"write {message}")
        outgoing.task_done()


@asynccontextmanager
async def language_server(t):
    """An LSP client: its exit phase still needs the task that writes."""
    outgoing = asyncio.Queue()
    pumping = asyncio.create_task(pump(t.child("pump"), outgoing))
    try:
        yield outgoing
    finally:
        await outgoing.put("shutdown")
        await outgoing.join()
        pumping.cancel()


@port
async def c30_language_server(t):
    async with language_server(t) as outgoing:
        await outgoing.put("initialize")
        return await t.work()


@asynccontextmanager
async def reported(t):
    """prefect: reports how a flow run ended."""
    try:
        yield
    except Exception as error:
        await t.op(f"state: failed, {type(error).__name__}")
        raise
    except BaseException:
        await t.op("state: crashed")
        raise
    await t.op("state: completed")


@asynccontextmanager
async def concurrency(t, names):
    """prefect: slots on a server, given back in one request."""
    for name in names:
        await t.op(f"acquire {name}")
    try:
        yield
    finally:
        await t.op("release slots")


@port
async def c31_prefect_flow_run(t):
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(reported(t))
        await stack.enter_async_context(lifespan(t, "runner"))
        async with concurrency(t, ["db", "gpu"]):
            return await t.work()


# The way of control, and of errors.


@asynccontextmanager
async def nested(t, depth):
    """A manager that enters itself."""
    await t.op(f"open {depth}")
    try:
        if depth > 1:
            async with nested(t, depth - 1) as opened:
                yield opened + 1
        else:
            yield 1
    finally:
        await t.op(f"close {depth}")


@port
async def c25_recursive(t):
    async with nested(t, 3) as opened:
        return opened + await t.work()


class Postgres:
    @asynccontextmanager
    async def session(self, t):
        await t.op("open postgres")
        try:
            yield Conn(t)
        finally:
            await t.op("close postgres")


class Sqlite:
    @asynccontextmanager
    async def session(self, t):
        yield Conn(t)


BACKENDS = {"postgres": Postgres(), "sqlite": Sqlite()}


@port
async def c26_backend_by_name(t):
    async with BACKENDS["postgres"].session(t) as conn, BACKENDS["sqlite"].session(t) as cache:
        await cache.execute("SELECT")
        await conn.execute("UPDATE")
        return await t.work()


@asynccontextmanager
async def unit_of_work(t):
    """All the clauses of a `try`."""
    await t.op("begin")
    try:
        yield
    except Bad:
        await t.op("undo")
    except Net as error:
        await t.op("reconnect")
        raise Lost from error
    else:
        await t.op("commit")
    finally:
        await t.op("end")


@port
async def c27_all_clauses(t):
    async with unit_of_work(t):
        return await t.work()
    return 0


@asynccontextmanager
async def mapped_errors():
    """httpx: raises an error of its own for one of httpcore."""
    try:
        yield
    except Bad as error:
        raise Net from error


@port
async def c29_mapped_errors(t):
    async with mapped_errors(), stream(t):
        return await t.work()


@asynccontextmanager
async def limited(t):
    """A manager that limits the time of its block."""
    await t.op("start")
    try:
        async with asyncio.timeout(1.25):
            yield
    finally:
        await t.op("stop")


@port
async def c32_limit_in_a_manager(t):
    async with lifespan(t, "app"), limited(t):
        return await t.work()


if __name__ == "__main__":
    main()
