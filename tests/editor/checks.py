"""Checks what rust-analyzer knows of code in and around the macros. See README.md."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

from lsp import CURSOR, Server  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]

PRELUDE = """
use async_context_manager::{
    AsyncContextManager, AsyncExitStack, Outcome, async_context_manager, closing, context_managers, nullcontext, stop_when,
    until, with, within,
};

#[derive(Debug)]
pub struct DbError;

pub enum Kind {
    One,
    Two,
}

pub struct Options {
    pub limit: u64,
}

/// A connection.
pub struct Conn {
    pub rows: Vec<u64>,
}

impl Conn {
    pub async fn execute(&mut self, sql: &str) -> Result<u64, DbError> { Ok(sql.len() as u64) }
    pub fn kind(&self) -> Kind { Kind::One }
    pub fn is_open(&self) -> bool { true }
}

pub struct Pool;

impl Pool {
    async fn acquire(&self) -> Result<Conn, DbError> { Ok(Conn { rows: Vec::new() }) }

    #[async_context_manager]
    pub async fn get(&self) -> Result<&mut Conn, DbError> {
        let mut conn = self.acquire().await?;
        r#yield!(&mut conn);
        Ok(())
    }
}

/// Lends a connection.
#[async_context_manager]
pub async fn connection(pool: &Pool) -> Result<&mut Conn, DbError> {
    let mut conn = pool.acquire().await?;
    r#yield!(&mut conn);
    Ok(())
}
"""

# What is typed at the cursor, and a name that must be offered.
TYPED = [
    ("conn.$0", "execute"),
    ("conn.exe$0", "execute"),
    ("conn.$0\nlet after = 1;", "execute"),
    ("conn.exe$0\nlet after = 1;", "execute"),
    ("conn.execute(sql).await.$0", "is_ok"),
    ("conn.execute(sql).await?.$0", "checked_add"),
    ("let n = conn.$0", "execute"),
    ("let n = conn.$0;\nlet after = n;", "execute"),
    ("let kind = Kind::$0;", "Two"),
    ("match conn.kind() { Kind::One => 1, Kind::$0 }", "Two"),
    ("if conn.$0 {}", "is_open"),
    ("for row in conn.$0 {}", "rows"),
    ("return conn.$0", "execute"),
    ("let closure = |n: u64| n.$0;", "checked_add"),
    ("let n = local\nconn.$0", "execute"),
    ("lo$0", "local"),
    ("let options = Options { $0 };", "limit"),
    ("if conn.is_open() { conn.$0 }", "execute"),
    ("conn.execute(s$0).await?;", "sql"),
]

FUNCTION = "async fn user(pool: &Pool, sql: &str) -> Result<u64, DbError> {{\nlet local = 1u64;\n{}\nOk(local)\n}}\n"


def function(body):
    return lambda typed: FUNCTION.format(body.replace("TYPED", typed))


def manager(before="", after=""):
    text = """
    #[async_context_manager]
    async fn manager(pool: &Pool, sql: &str) -> Result<&mut Conn, DbError> {
        let local = 1u64;
        let mut acquired = pool.acquire().await?;
        let conn = &mut acquired;
        BEFORE
        let outcome = r#yield!(&mut *conn);
        AFTER
        Ok(())
    }"""
    return lambda typed: text.replace("BEFORE", before.replace("TYPED", typed)).replace(
        "AFTER", after.replace("TYPED", typed)
    )


def text(code):
    return lambda typed: code.replace("TYPED", typed)


# Where it is typed.
PLACES = {
    "plain function": function("let conn = &mut pool.acquire().await?;\nTYPED"),
    "with!": function("with!(connection(pool) as conn => {\nTYPED\n})?;"),
    "with! with a comma": function("with!(connection(pool) as conn, {\nTYPED\n})?;"),
    "with! of two managers": function("with!(connection(pool) as other, connection(pool) as conn => {\nTYPED\n})?;"),
    "with! in a with!": function(
        "with!(connection(pool) as other => {\nwith!(pool.get() as conn, {\nTYPED\n})?;\nlocal\n})?;"
    ),
    "with! as a value": function("let value = with!(connection(pool) as conn => {\nTYPED\n})?;"),
    "with! with statements before": function(
        "with!(connection(pool) as conn => {\nlet n = conn.execute(sql).await?;\nif n == 77 { return Ok(n); }\nTYPED\n})?;"
    ),
    "with! in a loop, with jumps": function(
        "for index in 0..5 {\nwith!(connection(pool) as conn => {\nif index == 1 { continue; }\n"
        "if index == 2 { break; }\nTYPED\n})?;\n}"
    ),
    "manager, before the marker": manager(before="TYPED"),
    "manager, after the marker": manager(after="TYPED"),
    "with! in a manager, before the marker": text("""
    #[async_context_manager]
    async fn manager(pool: &Pool, sql: &str) -> Result<&mut Conn, DbError> {
        let local = 1u64;
        with!(connection(pool) as conn => {
            TYPED
            r#yield!(&mut *conn);
        })
    }"""),
    "with! in a manager, after the marker": text("""
    #[async_context_manager]
    async fn manager(pool: &Pool, sql: &str) -> Result<&mut Conn, DbError> {
        let local = 1u64;
        with!(connection(pool) as conn, {
            r#yield!(&mut *conn);
            TYPED
        })
    }"""),
    "context_managers!": text("""
    context_managers! {
        #[async_context_manager]
        async fn manager(pool: &Pool, sql: &str) -> Result<&mut Conn, DbError> {
            let local = 1u64;
            let mut acquired = pool.acquire().await?;
            let conn = &mut acquired;
            yield!(&mut *conn);
            TYPED
            Ok(())
        }
    }"""),
    "#[within]": text("""
    #[within(connection(pool) as conn)]
    async fn user(pool: &Pool, sql: &str) -> Result<u64, DbError> {
        let local = 1u64;
        TYPED
        Ok(local)
    }"""),
    "AsyncExitStack": function(
        "with!(AsyncExitStack::<DbError>::new() as stack => {\nlet conn = stack.enter(connection(pool)).await?;\nTYPED\n})?;"
    ),
    "scope": function("connection(pool).scope(async |conn| {\nTYPED\n}).await?;"),
}

# A cursor in a header, and a name that must be offered.
HEADERS = [
    ("with!(pool.$0)", "get"),
    ("with!(con$0)", "connection"),
    ("with!(pool.$0 => {})", "get"),
    ("with!(pool.$0 as conn => {})", "get"),
    ("with!(pool.$0 as conn, { conn.is_open() })", "get"),
    ("with!(pool.g$0 as conn => { conn.is_open() })", "get"),
    ("with!(connection(po$0) as conn => {})", "pool"),
    ("with!(connection(pool) as conn, pool.$0)", "get"),
    ("with!(connection(pool) as conn, pool.$0 as other => {})", "get"),
    ("with!(connection(pool) as conn => conn.$0)", "execute"),
    ("with!(connection(pool) as conn => conn.rows.$0)", "len"),
]

# A cursor, and the places that its name must lead to.
TARGETS = [
    ("with!(conn$0ection(pool) as conn => { conn.is_open() })?;", "pub async fn connection"),
    ("with!(connection(po$0ol) as conn => { conn.is_open() })?;", "async fn user"),
    ("with!(po$0ol.get() as conn => { conn.is_open() })?;", "async fn user"),
    ("with!(pool.ge$0t() as conn, { conn.is_open() })?;", "pub async fn get"),
    ("with!(connection(pool) as co$0nn => { conn.is_open() })?;", "with!"),
    ("with!(connection(pool) as conn => { co$0nn.is_open() })?;", "with!"),
    ("with!(connection(pool) as _, con$0nection(pool) as conn => { conn.is_open() })?;", "pub async fn connection"),
    ("with!(connection(pool) as conn => { conn.is_$0open() })?;", "pub fn is_open"),
]


# The same for attributes.
MANAGER_TARGETS = [
    (
        "#[within(conn$0ection(pool) as conn)]\nasync fn user(pool: &Pool) -> Result<bool, DbError> { Ok(conn.is_open()) }",
        "pub async fn connection",
    ),
    (
        "#[within(connection(pool) as co$0nn)]\nasync fn user(pool: &Pool) -> Result<bool, DbError> { Ok(conn.is_open()) }",
        "#[within",
    ),
    (
        "#[within(connection(pool) as conn)]\nasync fn user(pool: &Pool) -> Result<bool, DbError> { Ok(co$0nn.is_open()) }",
        "#[within",
    ),
    ("#[async_context_manager]\nasync fn lo$0cal() -> u8 {\nr#yield!(1);\n}", "async fn local"),
    ("#[async_context_manager]\nasync fn local(nu$0mber: u8) -> u8 {\nr#yield!(number);\n}", "async fn local"),
    (
        "#[async_context_manager]\nasync fn local() -> u8 {\nr#yield!(1);\n}\nasync fn user() { with!(lo$0cal() => {}) }",
        "async fn local",
    ),
]

class Report:
    failures = 0

    def group(self, name, results):
        """Prints the results of a group of checks: pairs of what was checked, and None or what was wrong."""
        results = list(results)
        failed = [(what, wrong) for what, wrong in results if wrong is not None]
        self.failures += len(failed)
        print(f"{len(results) - len(failed):3} of {len(results):2}  {name}", flush=True)
        for what, wrong in failed:
            print(f"           {what!r}: {wrong}")


def offers(server, code, name):
    """None if `name` is offered at the cursor, or what is."""
    labels = server.completions(PRELUDE + code)
    if any(label == name or label.split("(")[0] == name for label in labels):
        return None
    return f"{name} is not among {len(labels)} items"


def leads_to(server, code, line):
    """None if the cursor has one section of hover and leads to one line that contains `line`."""
    source = PRELUDE + code
    places = server.definitions(source)
    sections = server.hover(source)
    lines = source.replace(CURSOR, "").split("\n")
    if len(places) != 1 or not places[0].startswith("here:"):
        return f"leads to {places}"
    if line not in lines[int(places[0].split(":")[1]) - 1]:
        return f"leads to {lines[int(places[0].split(':')[1]) - 1]!r}"
    # A bound name has a second section, for its size.
    return None if 1 <= len(sections) <= 2 else f"{len(sections)} sections of hover"


def shows(server, code, name):
    """None if the hover at the cursor shows the type `name`, or what it shows."""
    shown = server.hover(PRELUDE + code)
    is_shown = any(line.endswith(f": {name}") for section in shown for line in section.split("\n"))
    return None if is_shown else f"shows {shown}"


MARKER = "#[async_context_manager]\nasync fn local() -> u8 {\nr#yi$0eld!(1);\n}"

# A cursor on a name, and the type that must be shown.
TYPES = [
    ("let va$0lue = with!(connection(pool) as conn => conn.is_open());", "Result<bool, DbError>"),
    ("let va$0lue = with!(connection(pool) as conn, { conn.is_open() })?;", "bool"),
    ("let va$0lue = with!(plain() as value => *value);", "u64"),
    ("let va$0lue = with!(quiet() => 5u8);", "Result<Option<u8>, DbError>"),
    ("let va$0lue = with!(plain() as _, connection(pool) as conn, quiet() => conn.is_open());", "Result<Option<bool>, DbError>"),
    ("let va$0lue = AsyncExitStack::<DbError>::new().enter(connection(pool)).await;", "Result<&mut Conn, DbError>"),
    ("with!(connection(pool) as co$0nn => conn.is_open())?;", "&mut Conn"),
    ("with!(plain() as va$0lue, connection(pool) as _ => { *value })?;", "&u64"),
    ("with!(pairs() as (_, ri$0ght) => { right.len() });", "&str"),
]

# The managers of `TYPES`.
MANAGERS = """
#[async_context_manager(catch, suppress)]
async fn quiet() -> Result<(), DbError> {
    match r#yield!() {
        Outcome::Failed(DbError) => Ok(()),
        other => other.into_result(),
    }
}

#[async_context_manager]
async fn plain() -> &u64 {
    let value = 5;
    r#yield!(&value);
}

#[async_context_manager]
async fn pairs() -> (u8, &str) {
    r#yield!((5, "five"));
}
"""

# Code without errors.
GOOD = MANAGERS + """
async fn user(pool: &Pool, sql: &str) -> Result<u64, DbError> {
    let mut sum = 0;
    for index in 0..5 {
        with!(connection(pool) as conn, pool.get() as other => {
            if index == 1 { continue; }
            if index == 2 { break; }
            if index == 3 { return Ok(5); }
            sum += conn.execute(sql).await? + other.execute(sql).await?;
        })?;
    }
    with!(around() as value, { sum += *value; });
    let none: Option<u64> = with!(quiet() => { conn_of(pool).await?; 5 })?;
    let length = with!(pairs() as (_, right) => {
        let mut names = Vec::new();
        names.push(right);
        names.len() as u64
    });
    let parsed: Result<Vec<u8>, DbError> = with!(connection(pool) as conn => {
        conn.execute("a").await?;
        (0..5u8).map(|n| Ok(n)).collect::<Result<_, _>>()?
    });
    let stack = AsyncExitStack::<DbError>::new();
    let number = stack.enter(nullcontext(5u64)).await;
    with!(stop_when(std::future::pending::<()>()) => { sum += number; });
    let closed = with!(closing(Vec::<u8>::new(), async |_| {}) as bytes => bytes.len() as u64);
    Ok(sum + none.unwrap_or(length) + parsed?.len() as u64 + closed)
}

async fn conn_of(pool: &Pool) -> Result<Conn, DbError> {
    with!(connection(pool) as conn => Conn { rows: conn.rows.clone() })
}

fn boxed(pool: &Pool) -> impl Future<Output = Result<bool, DbError>> {
    async move { with!(connection(pool) as conn => conn.is_open()) }
}

#[async_context_manager]
async fn around() -> &u64 {
    with!(plain() as value => r#yield!(value))
}

#[async_context_manager]
async fn nested(pool: &Pool) -> Result<&mut Conn, DbError> {
    with!(connection(pool) as _, pool.get() as conn, {
        let outcome = r#yield!(&mut *conn);
        if outcome.is_failed() {
            conn.execute("failed").await?;
        }
    })
}

#[async_context_manager]
async fn racing(pool: &Pool) -> Result<&mut Conn, DbError> {
    let mut conn = conn_of(pool).await?;
    let outcome = until(std::future::pending::<()>(), async { r#yield!(&mut conn) }).await;
    match outcome {
        Ok(outcome) if outcome.is_failed() => conn.execute("failed").await.map(|_| ()),
        _ => Ok(()),
    }
}

#[async_context_manager(shielded)]
async fn owned(name: String, (left, mut right): (u8, u8), _unused: u8) -> String {
    right += left;
    let outcome: Outcome = async_context_manager::r#yield!(name + &right.to_string());
    drop(outcome);
}

struct Session(u64);

impl AsyncContextManager for Session {
    type Value<'v> = &'v mut u64;
    type Exit = Result<(), DbError>;

    async fn enter(&mut self) -> Result<&mut u64, DbError> { Ok(&mut self.0) }

    async fn exit(&mut self, _outcome: Outcome) -> Result<(), DbError> { Ok(()) }
}

trait Source {
    #[async_context_manager]
    async fn number(&self) -> u64;
}

impl Source for Session {
    #[async_context_manager]
    async fn number(&self) -> u64 {
        r#yield!(self.0);
    }
}

async fn session() -> Result<u64, DbError> {
    let sum = with!(Session(5).number() as number => number + 1);
    with!(Session(5) as number => { *number += sum; *number })
}

#[within(connection(pool) as conn, plain() as value)]
async fn decorated(pool: &Pool) -> Result<u64, DbError> {
    if !conn.is_open() {
        return Err(DbError);
    }
    conn.execute("a").await?;
    Ok(*value)
}

#[async_context_manager]
async fn in_braces(value: u8) -> u8 {
    r#yield! { value }
    drop(value);
}

context_managers! {
    #[async_context_manager]
    async fn listed() -> u64 {
        yield!(5);
    }

    struct Other;

    impl Other {
        /// Is documented.
        #[async_context_manager(catch)]
        pub async fn caught<E>(&self) -> Result<(), E> {
            let outcome = yield!();
            outcome.into_result()
        }
    }
}
"""


def run(server, report):
    for place, wrap in PLACES.items():
        results = ((typed, offers(server, wrap(typed), name)) for typed, name in TYPED)
        report.group(f"completion: {place}", results)
    results = ((header, offers(server, FUNCTION.format(header), name)) for header, name in HEADERS)
    report.group("completion: headers", results)
    results = ((code, leads_to(server, FUNCTION.format(code), line)) for code, line in TARGETS)
    report.group("hover and go to definition: with!", results)
    results = ((code, leads_to(server, code, line)) for code, line in MANAGER_TARGETS)
    report.group("hover and go to definition: attributes", results)
    results = ((code, shows(server, FUNCTION.format(code) + MANAGERS, name)) for code, name in TYPES)
    report.group("types", results)
    shown = "\n".join(server.hover(PRELUDE + MARKER))
    is_macro = "macro_rules! r#yield" in shown and "Marks the place" in shown
    report.group("hover: the marker", [(MARKER, None if is_macro else f"shows {shown}")])
    found = server.diagnostics(PRELUDE + GOOD)
    report.group("no errors in good code", [("diagnostics", found or None)])


def write_package(folder):
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(
        "[package]\nname = 'typing'\nversion = '0.0.0'\nedition = '2024'\n\n"
        f"[dependencies]\nasync-context-manager.path = '{ROOT / 'runtime'}'\n\n[workspace]\n"
    )
    shutil.copy(ROOT / "Cargo.lock", folder / "Cargo.lock")
    path = folder / "src/lib.rs"
    path.write_text(PRELUDE)
    return path


def settings(target, sysroot_source):
    cargo = {"targetDir": str(target)}
    if sysroot_source:
        cargo["sysrootSrc"] = sysroot_source
    return {
        "cargo": cargo,
        "checkOnSave": False,
        "cachePriming": {"enable": False},
        "completion": {"autoimport": {"enable": False}, "postfix": {"enable": False}},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="rust-analyzer", help="the program of the language server")
    parser.add_argument("--sysroot-source", help="the folder with the sources of the standard library")
    arguments = parser.parse_args()
    program = shutil.which(arguments.server)
    # `rustup` has a program in the place of a missing rust-analyzer, too.
    if program is None or subprocess.run([program, "--version"], capture_output=True).returncode != 0:
        sys.exit(f"there is no `{arguments.server}`: run `rustup component add rust-analyzer rust-src`")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "editor"
    folder = target / "package"
    path = write_package(folder)
    server = Server(program, folder, path, settings(target / "target", arguments.sysroot_source))
    report = Report()
    run(server, report)
    server.close()
    sys.exit(f"{report.failures} checks have failed" if report.failures else 0)


if __name__ == "__main__":
    main()
