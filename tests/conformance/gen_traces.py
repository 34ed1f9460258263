#!/usr/bin/env python3
"""Reference trace generator for async context managers.

A seeded generator makes scenario trees (JSON).  Every scenario is turned into
Python *source* with real ``async with`` / ``return`` / ``break`` / ``continue``
statements, and run under asyncio with real ``contextlib.asynccontextmanager``
managers (style "gen"), real ``__aenter__``/``__aexit__`` classes (style
"class") and real ``contextlib.AsyncExitStack`` objects.  What the program does
is logged as an ordered list of short strings (the trace).

    gen_traces.py --kind with  --seed 1 --count 2000 -o traces_seed1.jsonl
    gen_traces.py --kind stack --seed 1 --count  500 -o stack_seed1.jsonl
    gen_traces.py --kind panic --seed 1 --count  300 -o panic_seed1.jsonl
    gen_traces.py --kind proto --seed 1 --count  200 -o proto_seed1.jsonl
    gen_traces.py --refuse-panics panic_seed1.jsonl -o panic_seed1_refused.jsonl
    gen_traces.py --show with-1-0007 traces_seed1.jsonl     # print its Python source and trace
    gen_traces.py --rerun traces_seed1.jsonl                # replay a file, compare
    gen_traces.py --counts *_seed?.jsonl                    # scenarios by tag

SCHEMA.md documents the format.
"""
import argparse
import asyncio
import contextlib
import json
import random
import sys

# --------------------------------------------------------------------------
# errors and labels


class Err(Exception):
    """An application error.  label = "<code>@<id of the step or manager>"."""

    def __init__(self, code, origin):
        super().__init__(code)
        self.code = code
        self.label = "%s@%s" % (code, origin)


class Panic(BaseException):
    """Stands for a Rust panic: not an Exception, so `except Exception` misses it."""

    code = "P"

    def __init__(self, origin):
        super().__init__("P")
        self.label = "P@%s" % origin


APP_ERRORS = (Err, RuntimeError)


def label(exc):
    if isinstance(exc, (Err, Panic)):
        return exc.label
    if isinstance(exc, asyncio.CancelledError):
        return "cancelled"
    if type(exc) is RuntimeError:
        return "RuntimeError(%s)" % exc
    raise AssertionError("unexpected exception %r" % (exc,))


def outcome_of(exc):
    if exc is None:
        return "completed"
    if isinstance(exc, asyncio.CancelledError):
        return "cancelled"
    if isinstance(exc, Panic):
        return "panicked(%s)" % exc.label
    return "failed(%s)" % label(exc)


POLICY_KEY = {"completed": "on_ok", "failed": "on_err", "cancelled": "on_cancel", "panicked": "on_panic"}


def action_for(spec, exc):
    """The policy string of a manager / exit for what it saw at the yield."""
    act = spec[POLICY_KEY[outcome_of(exc).partition("(")[0]]]
    if act.startswith("suppress:"):  # selective suppression by error code
        return "suppress" if getattr(exc, "code", "?") == act[9:] else "pass"
    return act


# --------------------------------------------------------------------------
# the environment a scenario runs in


class Env:
    def __init__(self, cancel_at):
        self.trace = []
        self.cancel_at = cancel_at
        self.awaits = 0
        self.where = []  # one entry per suspension: "pre" | "await" | "post"
        self.task = None
        self.entered = 0
        self.exited = 0
        self.log = self.trace.append

    async def suspend(self, where, event):
        """One suspension point.  Cancelled from outside while it is suspended."""
        self.log(event)
        self.awaits += 1
        self.where.append(where)
        if self.awaits == self.cancel_at:
            asyncio.get_running_loop().call_soon(self.cancel)
        await asyncio.sleep(0)

    def cancel(self):
        self.log("cancel:%d" % self.cancel_at)
        self.task.cancel()

    # -- errors
    def err(self, code, origin):
        return Err(code, origin)

    def panic(self, origin):
        return Panic(origin)

    def raise_action(self, act, origin):
        if act == "panic":
            raise Panic(origin)
        raise Err(act[6:], origin)  # "raise:C"

    # -- managers
    def mgr(self, spec):
        return self.gen_mgr(spec) if spec["style"] == "gen" else ClassMgr(self, spec)

    async def before(self, spec):
        """Everything before the yield."""
        mid = spec["id"]
        self.log("enter:%s" % mid)
        for i in range(1, spec["pre"] + 1):
            await self.suspend("pre", "pre:%s:%d" % (mid, i))
        if spec["enter"].startswith("fail:"):
            self.log("fail:%s:%s" % (mid, spec["enter"][5:] + "@" + mid))
            raise Err(spec["enter"][5:], mid)
        if spec["enter"] == "panic":
            self.log("fail:%s:P@%s" % (mid, mid))
            raise Panic(mid)

    async def after(self, spec, exc):
        """Everything after the yield, up to the decision, which is returned."""
        mid = spec["id"]
        self.exited += 1
        self.log("exit:%s:%s" % (mid, outcome_of(exc)))
        for i in range(1, spec["post"] + 1):
            await self.suspend("post", "post:%s:%d" % (mid, i))
        act = action_for(spec, exc)
        self.log_act(mid, act)
        return act

    def log_act(self, mid, act):
        if act == "panic":
            self.log("act:%s:panic(P@%s)" % (mid, mid))
        elif act.startswith("raise:"):
            self.log("act:%s:raise(%s@%s)" % (mid, act[6:], mid))
        else:
            self.log("act:%s:%s" % (mid, act))

    @contextlib.asynccontextmanager
    async def gen_mgr(self, spec):
        mid = spec["id"]
        await self.before(spec)
        if spec["enter"] == "noyield":
            self.log("noyield:%s" % mid)
            return
        self.entered += 1
        self.log("yield:%s:%d" % (mid, spec["yield"]))
        try:
            yield spec["yield"]
        except BaseException as exc:
            act = await self.after(spec, exc)
            if act == "pass":
                raise
            elif act == "suppress":
                pass
            elif act != "again":
                self.raise_action(act, mid)
        else:
            act = await self.after(spec, None)
            if act not in ("pass", "again"):
                self.raise_action(act, mid)
        if act == "again":  # protocol violation: a second yield
            try:
                yield -1
            except GeneratorExit:
                self.log("closed:%s" % mid)
                raise

    # -- exit callables and callbacks for stacks
    def exit_async(self, spec):
        async def exit_(typ, exc, tb):
            act = await self.after(spec, exc)
            if act in ("pass", "suppress"):
                return act == "suppress"
            self.raise_action(act, spec["id"])
        return exit_

    def exit_sync(self, spec):
        def exit_(typ, exc, tb):
            self.exited += 1
            self.log("exit:%s:%s" % (spec["id"], outcome_of(exc)))
            act = action_for(spec, exc)
            self.log_act(spec["id"], act)
            if act in ("pass", "suppress"):
                return act == "suppress"
            self.raise_action(act, spec["id"])
        return exit_

    async def cb_async(self, spec):
        self.exited += 1
        self.log("callback:%s" % spec["id"])
        for i in range(1, spec["post"] + 1):
            await self.suspend("post", "post:%s:%d" % (spec["id"], i))
        self.log_act(spec["id"], spec["do"])
        if spec["do"] != "pass":
            self.raise_action(spec["do"], spec["id"])

    def cb_sync(self, spec):
        self.exited += 1
        self.log("callback:%s" % spec["id"])
        self.log_act(spec["id"], spec["do"])
        if spec["do"] != "pass":
            self.raise_action(spec["do"], spec["id"])


class ClassMgr:
    def __init__(self, env, spec):
        self.env, self.spec = env, spec

    async def __aenter__(self):
        await self.env.before(self.spec)
        self.env.entered += 1
        self.env.log("yield:%s:%d" % (self.spec["id"], self.spec["yield"]))
        return self.spec["yield"]

    async def __aexit__(self, typ, exc, tb):
        act = await self.env.after(self.spec, exc)
        if act in ("pass", "suppress"):
            return act == "suppress"
        self.env.raise_action(act, self.spec["id"])


# --------------------------------------------------------------------------
# scenario -> Python source


class Source:
    def __init__(self):
        self.lines = []
        self.specs = {}
        self.ind = 0

    def w(self, text):
        self.lines.append("    " * self.ind + text)

    @contextlib.contextmanager
    def block(self, head):
        self.w(head)
        self.ind += 1
        n = len(self.lines)
        yield
        if len(self.lines) == n:
            self.w("pass")
        self.ind -= 1

    def steps(self, steps, loop=None):
        for st in steps:
            getattr(self, "op_" + st["op"])(st, loop)

    def op_await(self, st, loop):
        with self.block("for j in range(1, %d):" % (st["n"] + 1)):
            self.w("await E.suspend('await', 'await:%s:%%d' %% j)" % st["id"])

    def op_raise(self, st, loop):
        self.w("E.log('raise:%s@%s')" % (st["err"], st["id"]))
        self.w("raise E.err(%r, %r)" % (st["err"], st["id"]))

    def op_panic(self, st, loop):
        self.w("E.log('panic:P@%s')" % st["id"])
        self.w("raise E.panic(%r)" % st["id"])

    def op_return(self, st, loop):
        self.w("E.log('return:%d')" % st["value"])
        self.w("return %d" % st["value"])

    def op_break(self, st, loop, word="break"):
        with self.block("if i_%s == %d:" % (loop, st["at"])):
            self.w("E.log('%s:%s:%d')" % (word, loop, st["at"]))
            self.w(word)

    def op_continue(self, st, loop):
        self.op_break(st, loop, "continue")

    def op_loop(self, st, loop):
        lid = st["id"]
        with self.block("for i_%s in range(%d):" % (lid, st["n"])):
            self.w("E.log('iter:%s:%%d' %% i_%s)" % (lid, lid))
            self.steps(st["steps"], lid)
        self.w("E.log('endloop:%s')" % lid)

    def op_try(self, st, loop):
        with self.block("try:"):
            self.steps(st["steps"], loop)
        with self.block("except APP_ERRORS as exc:"):
            self.w("E.log('caught:%s:' + label(exc))" % st["id"])

    def op_with(self, st, loop):
        m = st["m"]
        mid = m["id"]
        self.specs[mid] = m
        self.w("done_%s = False" % mid)
        with self.block("async with E.mgr(M[%r]) as x:" % mid):
            self.w("E.log('body:%s:%%d' %% x)" % mid)
            self.steps(st["steps"], loop)
            self.w("done_%s = True" % mid)
        self.done(mid, st["value"])

    def done(self, mid, value):
        with self.block("if done_%s:" % mid):
            self.w("last = %d" % value)
            self.w("E.log('after:%s:ok(%d)')" % (mid, value))
        with self.block("else:"):
            self.w("last = None")
            self.w("E.log('after:%s:suppressed')" % mid)

    # -- stack operations (s is the current AsyncExitStack)
    def op_enter(self, st, loop):
        m = st["m"]
        self.specs[m["id"]] = m
        self.w("x = await s.enter_async_context(E.mgr(M[%r]))" % m["id"])
        self.w("E.log('entered:%s:%%d' %% x)" % m["id"])

    def op_push_exit(self, st, loop):
        e = st["e"]
        self.specs[e["id"]] = e
        self.w(("s.push_async_exit(E.exit_async(M[%r]))" if e["async"] else "s.push(E.exit_sync(M[%r]))") % e["id"])
        self.w("E.entered += 1")
        self.w("E.log('pushed:%s')" % e["id"])

    def op_callback(self, st, loop):
        c = st["c"]
        self.specs[c["id"]] = c
        self.w(("s.push_async_callback(E.cb_async, M[%r])" if c["async"] else "s.callback(E.cb_sync, M[%r])") % c["id"])
        self.w("E.entered += 1")
        self.w("E.log('pushed:%s')" % c["id"])

    def op_pop_all(self, st, loop):
        self.w("keep = s.pop_all()")
        self.w("E.log('pop_all:%d' % len(keep._exit_callbacks))")

    def op_aclose(self, st, loop):
        self.w("E.log('aclose:s0')")
        self.w("await s.aclose()")
        self.w("E.log('aclosed:s0')")

    def stack_block(self, name, expr, ops, value):
        self.w("done_%s = False" % name)
        with self.block("async with %s as s:" % expr):
            self.w("E.log('open:%s')" % name)
            self.steps(ops)
            self.w("done_%s = True" % name)
        self.done(name, value)

    def stack(self, sc):
        keep = sc["keep"]
        if keep is None:
            self.stack_block("s0", "contextlib.AsyncExitStack()", sc["steps"], sc["value"])
            return
        self.w("keep = None")
        with self.block("try:"):
            self.stack_block("s0", "contextlib.AsyncExitStack()", sc["steps"], sc["value"])
        with self.block("except BaseException:"):
            with self.block("if keep is not None:"):
                self.aclose_keep()
            self.w("raise")
        with self.block("if keep is not None:"):
            if keep["close"] == "with":
                self.stack_block("k", "keep", keep["steps"], keep["value"])
            else:
                self.aclose_keep()

    def aclose_keep(self):
        self.w("E.log('aclose:k')")
        self.w("await keep.aclose()")
        self.w("E.log('aclosed:k')")


def to_source(sc):
    s = Source()
    with s.block("async def main(E, M):"):
        s.w("last = None")
        if sc["kind"] == "stack":
            s.stack(sc)
        else:
            s.steps(sc["steps"])
        s.w("E.log('end')")
        s.w("return last")
    return "\n".join(s.lines) + "\n", s.specs


# --------------------------------------------------------------------------
# running


def context_chain(exc):
    """Labels of the errors this one replaced, newest first (what a traceback shows)."""
    out, seen = [], set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        out.append(label(exc))
        exc = exc.__cause__ if exc.__suppress_context__ else exc.__context__
    return out[1:]


def run(sc, cancel_at="scenario"):
    """Run one scenario, return (env, result)."""
    src, specs = to_source(sc)
    ns = {"contextlib": contextlib, "label": label, "APP_ERRORS": APP_ERRORS}
    exec(compile(src, sc["id"], "exec"), ns)
    env = Env(sc["cancel_at"] if cancel_at == "scenario" else cancel_at)

    async def driver():
        loop = asyncio.get_running_loop()
        env.task = loop.create_task(ns["main"](env, specs))
        if env.cancel_at == 0:
            env.cancel()
        await asyncio.wait([env.task])
        env.open_agens = [g for g in loop._asyncgens if g.ag_frame is not None]

    asyncio.run(driver())
    task = env.task
    if task.cancelled():
        result = {"cancelled": True}
    elif task.exception() is not None:
        exc = task.exception()
        if isinstance(exc, Panic):
            result = {"panic": exc.label, "context": context_chain(exc)}
        else:
            result = {"err": label(exc), "context": context_chain(exc)}
    else:
        result = {"ok": task.result()}
    assert not env.open_agens, (sc["id"], env.open_agens)
    if env.cancel_at is not None:
        assert env.cancel_at <= env.awaits and ("cancel:%d" % env.cancel_at) in env.trace, sc["id"]
    return env, result


def tags(sc, env, result):
    """Facts about a run, for counting and for choosing scenarios; not needed for a replay."""
    tr = env.trace
    t = set()
    text = json.dumps(sc)
    ms = manager_specs(sc)
    t.add("managers:%d" % len([m for m in ms if m["kind"] == "m"]))
    t.add("plan:" + sc["plan"])
    if sc["kind"] != "stack":
        t.add("depth:%d" % with_depth(sc["steps"]))
    t.add("result:" + next(iter(result)))
    for op in ("loop", "try", "pop_all", "aclose", "callback", "push_exit"):
        if '"op": "%s"' % op in text:
            t.add("op:" + op)
    if any(e.startswith("fail:") for e in tr):
        t.add("enter_fails")
    if any(e.startswith("noyield:") for e in tr):
        t.add("didnt_yield")
    if any(e.startswith("closed:") for e in tr):
        t.add("didnt_stop")
    if any(e.startswith("break:") for e in tr):
        t.add("breaks")
    if any(e.startswith("continue:") for e in tr):
        t.add("continues")
    if any(e.startswith("return:") for e in tr):
        t.add("returns_early")
    if any(e.startswith("caught:") for e in tr):
        t.add("caught")
    seen = {}
    for e in tr:
        p = e.split(":", 2)
        if p[0] == "exit":
            seen[p[1]] = p[2].partition("(")[0]
            t.add("sees_" + seen[p[1]])
        elif p[0] == "act":
            what = p[2].partition("(")[0]
            if what != "pass" and p[1] in seen:
                t.add("%s_on_%s" % (what, seen[p[1]]))
            elif what != "pass":
                t.add("%s_in_callback" % what)
    if sc["cancel_at"] == 0:
        t.add("cancel_in:start")
    elif sc["cancel_at"] is not None:
        t.add("cancel_in:" + {"await": "body", "pre": "enter", "post": "exit"}[env.where[sc["cancel_at"] - 1]])
    return sorted(t)


def with_depth(steps):
    return max([0] + [with_depth(st["steps"]) + (st["op"] == "with") for st in steps if "steps" in st])


def walk_specs(steps):
    for st in steps:
        if "m" in st:
            yield st["m"]
        yield from walk_specs(st.get("steps", []))


def manager_specs(sc):
    out = []

    def walk(steps):
        for st in steps:
            for key in "mec":
                if key in st:
                    out.append(dict(st[key], kind=key))
            if "steps" in st:
                walk(st["steps"])
    walk(sc["steps"])
    if sc.get("keep") and "steps" in sc["keep"]:
        walk(sc["keep"]["steps"])
    return out


def record(sc):
    env, result = run(sc)
    if sc["kind"] != "proto":
        assert env.entered == env.exited, sc["id"]
    return {"scenario": sc, "trace": env.trace, "result": result, "tags": tags(sc, env, result)}


# --------------------------------------------------------------------------
# random generation


def pick(rng, pairs):
    """Weighted choice over [(weight, value)] with integer weights."""
    n = rng.randrange(sum(w for w, _ in pairs))
    for w, v in pairs:
        if n < w:
            return v
        n -= w


CODES = [(1, c) for c in "ABCD"]


class Gen:
    def __init__(self, rng, flavour):
        self.rng = rng
        self.flavour = flavour  # "with" | "stack" | "panic" | "proto"
        self.counts = {}
        self.budget = 4
        self.cancel = False

    def new(self, prefix):
        n = self.counts.get(prefix, 0)
        self.counts[prefix] = n + 1
        return "%s%d" % (prefix, n)

    def chance(self, percent):
        return self.rng.randrange(100) < percent

    def err(self):
        return pick(self.rng, CODES)

    def n_awaits(self):
        return pick(self.rng, [(35, 0), (30, 1), (20, 2), (15, 3)])

    def policy(self, d):
        r = self.rng
        d["on_ok"] = pick(r, [(89, "pass"), (11, "raise:" + self.err())])
        d["on_err"] = pick(r, [(46, "pass"), (18, "suppress"), (12, "suppress:" + pick(r, [(1, "A"), (1, "B")])),
                               (24, "raise:" + self.err())])
        d["on_cancel"] = pick(r, [(70, "pass"), (15, "suppress"), (15, "raise:" + self.err())])
        d["on_panic"] = "pass"
        if self.flavour == "panic":
            d["on_panic"] = pick(r, [(60, "pass"), (20, "suppress"), (20, "raise:" + self.err())])
            if self.chance(12):
                d[pick(r, [(2, "on_ok"), (2, "on_err"), (1, "on_panic")])] = "panic"
        return d

    def manager(self):
        r = self.rng
        mid = self.new("m")
        fail = 3 if self.cancel else 8
        m = {"id": mid, "style": pick(r, [(70, "gen"), (30, "class")]), "yield": 10 + int(mid[1:]),
             "pre": self.n_awaits(),
             "enter": "fail:" + self.err() if self.chance(fail) else "ok",
             "post": self.n_awaits()}
        self.policy(m)
        if self.flavour == "panic" and self.chance(6):
            m["enter"] = "panic"
        if self.flavour == "proto":
            m["style"] = "gen"
            if self.chance(20):
                m["enter"] = "noyield"
            for k in ("on_ok", "on_err", "on_cancel"):
                if self.chance(25):
                    m[k] = "again"
        return m

    def await_step(self, lo=1, hi=3):
        return {"op": "await", "id": self.new("w"), "n": self.rng.randrange(lo, hi + 1)}

    # -- trees of `async with`
    def tree(self, sid, plan):
        r = self.rng
        self.cancel = plan == "cancel"
        self.plan = plan
        depth = pick(r, [(25, 1), (28, 2), (26, 3), (21, 4)])
        self.depth = depth
        self.loop_level = None
        if plan in ("break", "continue"):
            self.loop_level = r.randrange(depth) if self.chance(92) else depth
        elif self.chance(8):
            self.loop_level = r.randrange(depth + 1)
        self.budget = 4 - depth
        steps = self.level(0)
        if r.randrange(4) == 0:
            steps.append(self.await_step(1, 2))
        return {"id": sid, "kind": self.flavour, "plan": plan, "cancel_at": None, "steps": steps}

    def level(self, lv):
        """Steps of the body of the lv-th manager (0 = the function body)."""
        r = self.rng
        steps = []
        if self.chance(40):
            steps.append(self.await_step(1, 2))
        if lv == self.depth:
            inner = self.innermost()
            if self.loop_level == lv:
                inner = [{"op": "loop", "id": "L0", "n": r.randrange(2, 4), "steps": inner}]
            return steps + inner
        inner = self.with_step(lv)
        if self.loop_level == lv:
            body = [inner]
            if self.chance(25):
                body.append(self.await_step(1, 1))
            inner = {"op": "loop", "id": "L0", "n": r.randrange(2, 4), "steps": body}
        if self.chance(12):
            inner = {"op": "try", "id": self.new("t"), "steps": [inner]}
        steps.append(inner)
        if self.chance(22):
            steps.append(self.await_step(1, 2))
        if self.budget > 0 and self.chance(25):
            self.budget -= 1
            steps.append(self.sibling())
        if lv > 0 and self.chance(6):
            steps.append(pick(r, [(1, {"op": "raise", "id": self.new("r"), "err": self.err()}),
                                  (1, {"op": "return", "value": 50 + lv})]))
        return steps

    def with_step(self, lv):
        m = self.manager()
        return {"op": "with", "m": m, "steps": self.level(lv + 1), "value": 100 + int(m["id"][1:])}

    def sibling(self):
        m = self.manager()
        steps = []
        if self.chance(50):
            steps.append(self.await_step(1, 2))
        if self.chance(30):
            steps.append({"op": "raise", "id": self.new("r"), "err": self.err()})
        return {"op": "with", "m": m, "steps": steps, "value": 100 + int(m["id"][1:])}

    def innermost(self):
        r = self.rng
        plan = self.plan
        steps = []
        if self.cancel:
            steps.append(self.await_step(1, 3))
            plan = pick(r, [(60, "value"), (20, "raiseA"), (20, "return")])
        elif self.chance(60):
            steps.append(self.await_step(1, 3))
        if plan in ("raiseA", "raiseB"):
            steps.append({"op": "raise", "id": self.new("r"), "err": plan[-1]})
        elif plan == "panic":
            steps.append({"op": "panic", "id": self.new("p")})
        elif plan == "return":
            steps.append({"op": "return", "value": 50 + self.depth})
        elif plan in ("break", "continue"):
            steps.append({"op": plan, "at": r.randrange(2)})
            if self.chance(50):
                steps.append(self.await_step(1, 2))
        return steps

    # -- exit stacks
    def stack(self, sid, plan):
        r = self.rng
        self.cancel = plan == "cancel"
        n = pick(r, [(4, 0), (14, 1), (22, 2), (24, 3), (20, 4), (16, 5)])
        ops = []
        for _ in range(n):
            op = self.stack_op()
            if op["op"] == "enter" and self.chance(15):
                op = {"op": "try", "id": self.new("t"), "steps": [op]}
            ops.append(op)
            if self.chance(25):
                ops.append(self.await_step(1, 2))
        keep = None
        mid = pick(r, [(62, None), (26, "pop_all"), (12, "aclose")])
        if mid == "aclose":
            op = {"op": "aclose"}
            if self.chance(40):
                op = {"op": "try", "id": self.new("t"), "steps": [op]}
            ops.insert(r.randrange(len(ops) + 1), op)
        elif mid == "pop_all":
            ops.insert(r.randrange(len(ops) + 1), {"op": "pop_all"})
            keep = {"close": pick(r, [(60, "with"), (40, "aclose")])}
        tail = self.tail(plan, allow_return=keep is None)
        if keep and keep["close"] == "with":
            keep["value"] = 201
            keep["steps"] = []
            for _ in range(r.randrange(0, 3)):
                keep["steps"].append(self.stack_op())
            if self.chance(60):  # the ending happens under the kept stack
                keep["steps"] += self.tail(plan)
                tail = self.tail("value")
        ops += tail
        return {"id": sid, "kind": "stack", "plan": plan, "cancel_at": None, "steps": ops, "value": 200, "keep": keep}

    def stack_op(self):
        r = self.rng
        kind = pick(r, [(52, "enter"), (22, "push_exit"), (26, "callback")])
        if kind == "enter":
            return {"op": "enter", "m": self.manager()}
        is_async = self.chance(65)
        if kind == "push_exit":
            return {"op": "push_exit", "e": self.policy({"id": self.new("e"), "async": is_async,
                                                         "post": self.n_awaits() if is_async else 0})}
        return {"op": "callback", "c": {"id": self.new("c"), "async": is_async,
                                        "post": self.n_awaits() if is_async else 0,
                                        "do": pick(r, [(78, "pass"), (22, "raise:" + self.err())])}}

    def tail(self, plan, allow_return=True):
        steps = []
        if self.cancel or self.chance(50):
            steps.append(self.await_step(1, 3))
        if plan in ("raiseA", "raiseB"):
            steps.append({"op": "raise", "id": self.new("r"), "err": plan[-1]})
        elif plan == "return" and allow_return:
            steps.append({"op": "return", "value": 77})
        return steps


PLANS = {
    "with": [(17, "value"), (13, "raiseA"), (11, "raiseB"), (12, "return"), (10, "break"), (9, "continue"), (28, "cancel")],
    "stack": [(24, "value"), (20, "raiseA"), (14, "raiseB"), (12, "return"), (30, "cancel")],
    "panic": [(70, "panic"), (10, "value"), (10, "raiseA"), (10, "return")],
    "proto": [(30, "value"), (30, "raiseA"), (15, "return"), (25, "cancel")],
}


def choose_cancel(rng, sc):
    """Pick the suspension at which to cancel, from a run without cancellation."""
    env, _ = run(sc, cancel_at=None)
    if rng.randrange(100) < 3:
        return 0
    groups = {}
    for n, where in enumerate(env.where, 1):
        groups.setdefault(where, []).append(n)
    if not groups:
        return 0
    want = pick(rng, [(66, "await"), (14, "pre"), (20, "post")])
    if want not in groups:
        want = sorted(groups)[rng.randrange(len(groups))]
    return groups[want][rng.randrange(len(groups[want]))]


def generate(kind, seed, count):
    rng = random.Random("%s-%d" % (kind, seed))
    for i in range(count):
        plan = pick(rng, PLANS[kind])
        g = Gen(rng, kind)
        sid = "%s-%d-%04d" % (kind, seed, i)
        sc = g.stack(sid, plan) if kind == "stack" else g.tree(sid, plan)
        if plan == "cancel":
            sc["cancel_at"] = choose_cancel(rng, sc)
        yield record(sc)


def dump(rec):
    return json.dumps(rec, sort_keys=True, separators=(",", ":"))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--kind", choices=sorted(PLANS), default="with")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--count", type=int, default=2000)
    ap.add_argument("-o", "--out")
    ap.add_argument("--show", nargs=2, metavar=("ID", "FILE"))
    ap.add_argument("--rerun", metavar="FILE")
    ap.add_argument("--counts", nargs="+", metavar="FILE")
    ap.add_argument("--refuse-panics", metavar="FILE")
    a = ap.parse_args()
    if a.show:
        for line in open(a.show[1]).read().splitlines():
            rec = json.loads(line)
            if rec["scenario"]["id"] == a.show[0]:
                print(to_source(rec["scenario"])[0])
                print("M =", json.dumps(to_source(rec["scenario"])[1], indent=1))
                print("cancel_at =", rec["scenario"]["cancel_at"])
                print("\n".join(rec["trace"]))
                print(rec["result"], rec["tags"])
        return
    if a.refuse_panics:  # rule P3: managers that may neither suppress nor replace a panic
        with open(a.refuse_panics) as f, open(a.out, "w") as out:
            for line in f:
                sc = json.loads(line.replace('"on_panic":"suppress"', '"on_panic":"pass"'))["scenario"]
                for m in walk_specs(sc["steps"]):
                    if m["on_panic"].startswith("raise:"):
                        m["on_panic"] = "pass"
                out.write(dump(record(sc)) + "\n")
        return
    if a.counts:
        table = {}
        for col, path in enumerate(a.counts):
            with open(path) as f:
                for line in f:
                    for tag in ["all"] + json.loads(line)["tags"]:
                        table.setdefault(tag, [0] * len(a.counts))[col] += 1
        print("%-24s" % "tag" + "".join("%15s" % p.split("/")[-1].replace(".jsonl", "") for p in a.counts))
        for tag, row in sorted(table.items(), key=lambda kv: (kv[0] != "all", kv[0])):
            print("%-24s" % tag + "".join("%15d" % n for n in row))
        return
    if a.rerun:
        n = bad = 0
        with open(a.rerun) as f:
            for line in f:
                rec = json.loads(line)
                n += 1
                if dump(record(rec["scenario"])) != line.rstrip("\n"):
                    bad += 1
                    print("differs:", rec["scenario"]["id"])
        print("%d scenarios replayed, %d differ (%s)" % (n, bad, sys.version.split()[0]))
        sys.exit(bool(bad))
    with open(a.out, "w") if a.out else contextlib.nullcontext(sys.stdout) as out:
        for rec in generate(a.kind, a.seed, a.count):
            out.write(dump(rec) + "\n")


if __name__ == "__main__":
    main()
