//! The crates that are compiled: some dozens of managers, and functions that use them.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The source of one of the crates, as templates. `@` is replaced by the number of an item, `%` by the number of the manager
/// that it uses, and `INNER` by the code in its block.
pub(super) struct Source {
    pub(super) name: &'static str,
    package: &'static str,
    manager: &'static str,
    /// An expression: the body of a function, or `INNER` of another one, with a `?` behind it.
    usage: &'static str,
}

/// A package from this workspace, or one from the registry.
#[derive(Clone, Copy)]
pub(super) enum Dependency {
    Ours,
    /// As it stands in a manifest.
    Other(&'static str),
}

pub(super) const EMPTY: Source = Source { name: "nothing", package: "nothing", manager: "", usage: "" };

pub(super) const WITH: Source = Source {
    name: "`with!`",
    package: "with",
    manager: "
#[async_context_manager::async_context_manager]
async fn manager_@(pool: &Pool) -> Result<&mut Conn, Failed> {
    let mut conn = pool.acquire(@).await?;
    r#yield!(&mut conn);
    conn.release().await
}
",
    usage: "async_context_manager::with!(manager_%(pool) as conn => {
        let number = conn.execute(@).await?;
        number + INNER
    })",
};

pub(super) const BY_HAND: Source = Source {
    name: "by hand",
    package: "by-hand",
    manager: "
async fn acquire_@(pool: &Pool) -> Result<Conn, Failed> {
    pool.acquire(@).await
}

async fn release_@(conn: Conn) -> Result<(), Failed> {
    conn.release().await
}
",
    usage: "{
        let mut conn = acquire_%(pool).await?;
        let block = async {
            let number = conn.execute(@).await?;
            Ok::<u64, Failed>(number + INNER)
        };
        let result = std::panic::AssertUnwindSafe(block).catch_unwind().await;
        release_%(conn).await?;
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }",
};

pub(super) const SELECT: Source = Source {
    name: "`tokio::select!`",
    package: "select",
    manager: "
async fn answer_@(pool: &Pool) -> Result<u64, Failed> {
    let mut conn = pool.acquire(@).await?;
    conn.execute(@).await
}
",
    usage: "tokio::select! {
        answer = answer_%(pool) => Ok(answer? + @),
        () = pool.closed() => Err(Failed),
    }",
};

/// The beginning of each crate.
const COMMON: &str = "#![allow(unused)]
use std::pin::Pin;
use std::task::{Context, Waker};

use futures_util::FutureExt;

struct Pool;
struct Conn(u64);
#[derive(Debug)]
struct Failed;

impl Pool {
    async fn acquire(&self, id: u64) -> Result<Conn, Failed> { Ok(Conn(id)) }
    async fn closed(&self) {}
}

impl Conn {
    async fn execute(&mut self, number: u64) -> Result<u64, Failed> { self.0 += number; Ok(self.0) }
    async fn release(self) -> Result<(), Failed> { Ok(()) }
}

fn poll(mut future: Pin<Box<dyn Future<Output = Result<u64, Failed>>>>) {
    println!(\"{:?}\", future.as_mut().poll(&mut Context::from_waker(Waker::noop())));
}
";

const INNERMOST: &str = "conn.execute(number).await?";

/// How much of it there is in a crate.
#[derive(Clone, Copy)]
pub(super) struct Amount {
    pub(super) managers: usize,
    pub(super) functions: usize,
    /// How many uses are nested in each function.
    pub(super) depth: usize,
}

impl Source {
    /// Writes the crate below `folder`: where it is.
    pub(super) fn write(&self, folder: &Path, amount: Amount) -> Result<PathBuf, Box<dyn Error>> {
        let package = format!("{}-{}-{}", self.package, amount.functions, amount.depth);
        write(folder, &package, &DEPENDENCIES, &self.text(amount)?)
    }

    fn text(&self, Amount { managers, functions, depth }: Amount) -> Result<String, Box<dyn Error>> {
        let mut text = String::from(COMMON);
        for at in 0..managers {
            text += &self.manager.replace('@', &at.to_string());
        }
        let nested = (1..depth)
            .fold(self.usage.replace("INNER", INNERMOST), |inner, _| self.usage.replace("INNER", &format!("{inner}?")));
        for at in 0..functions {
            let body = nested.replace('@', &at.to_string()).replace('%', &(at % managers).to_string());
            writeln!(text, "\nasync fn use_{at}(pool: &Pool) -> Result<u64, Failed> {{\n    {body}\n}}")?;
        }
        writeln!(text, "\nfn main() {{")?;
        for at in 0..functions {
            writeln!(text, "    poll(Box::pin(use_{at}(&Pool)));")?;
        }
        writeln!(text, "}}")?;
        Ok(text)
    }
}

/// All have the same, which are then compiled once.
const DEPENDENCIES: [Dependency; 3] = [
    Dependency::Ours,
    Dependency::Other("futures-util = { version = \"0.3\", default-features = false, features = [\"std\"] }"),
    TOKIO,
];
pub(super) const TOKIO: Dependency = Dependency::Other("tokio = { version = \"1\", features = [\"macros\"] }");

/// Writes a crate with a `main.rs` below `folder`: where it is. Its dependencies are in the versions of this workspace.
pub(super) fn write(
    folder: &Path,
    package: &str,
    dependencies: &[Dependency],
    text: &str,
) -> Result<PathBuf, Box<dyn Error>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in the workspace");
    let folder = folder.join(package);
    fs::create_dir_all(folder.join("src"))?;
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut manifest =
        format!("[package]\nname = \"{package}\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n");
    for dependency in dependencies {
        match dependency {
            Dependency::Ours => {
                let path = workspace.join("runtime");
                writeln!(manifest, "async-context-manager = {{ path = \"{}\" }}", path.display())?;
            }
            Dependency::Other(line) => writeln!(manifest, "{line}")?,
        }
    }
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/main.rs"), text)?;
    Ok(folder)
}
