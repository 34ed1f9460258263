//! What the compiler makes of a crate with 200 manager functions and 500 `with!`s, of the same by hand, and of one with
//! 500 `tokio::select!`s.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The source of a crate: one item for each of 200 managers, and one for each of 500 uses. `@` stands for a number, and
/// `%` for that of the manager that is used.
struct Source {
    name: &'static str,
    package: &'static str,
    manager: &'static str,
    user: &'static str,
}

const SOURCES: [Source; 3] = [
    Source {
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
        user: "
async fn use_@(pool: &Pool) -> Result<u64, Failed> {
    async_context_manager::with!(manager_%(pool) as conn => {
        let number = conn.execute(@).await?;
        number + conn.execute(number).await?
    })
}
",
    },
    Source {
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
        user: "
async fn use_@(pool: &Pool) -> Result<u64, Failed> {
    let mut conn = acquire_%(pool).await?;
    let block = async {
        let number = conn.execute(@).await?;
        Ok(number + conn.execute(number).await?)
    };
    let result = std::panic::AssertUnwindSafe(block).catch_unwind().await;
    release_%(conn).await?;
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
",
    },
    Source {
        name: "`tokio::select!`",
        package: "select",
        manager: "
async fn answer_@(pool: &Pool) -> Result<u64, Failed> {
    let mut conn = pool.acquire(@).await?;
    conn.execute(@).await
}
",
        user: "
async fn use_@(pool: &Pool) -> Result<u64, Failed> {
    tokio::select! {
        answer = answer_%(pool) => Ok(answer? + @),
        () = pool.closed() => Err(Failed),
    }
}
",
    },
];

/// What all three have.
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

const MANAGERS: usize = 200;
const USES: usize = 500;

impl Source {
    /// Writes the crate below `folder`: where it is.
    fn write(&self, folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
        let folder = folder.join(self.package);
        fs::create_dir_all(folder.join("src"))?;
        let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("runtime");
        let manifest = format!(
            "[package]\nname = \"{}\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
             async-context-manager = {{ path = \"{}\" }}\n\
             futures-util = {{ version = \"0.3\", default-features = false, features = [\"std\"] }}\n\
             tokio = {{ version = \"1\", features = [\"macros\"] }}\n",
            self.package,
            runtime.display()
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("src/main.rs"), self.text()?)?;
        Ok(folder)
    }

    fn text(&self) -> Result<String, Box<dyn Error>> {
        let mut text = String::from(COMMON);
        for at in 0..MANAGERS {
            text += &self.manager.replace('@', &at.to_string());
        }
        for at in 0..USES {
            text += &self.user.replace('@', &at.to_string()).replace('%', &(at % MANAGERS).to_string());
        }
        writeln!(text, "\nfn main() {{")?;
        for at in 0..USES {
            writeln!(text, "    poll(Box::pin(use_{at}(&Pool)));")?;
        }
        writeln!(text, "}}")?;
        Ok(text)
    }
}

/// One of the three.
pub(crate) struct Compiled {
    pub(crate) name: &'static str,
    /// `cargo check`, a debug build and a release build, without the dependencies: seconds.
    pub(crate) times: [f64; 3],
    /// What the macros take of that: seconds.
    pub(crate) expansion: f64,
    /// What LLVM is given to begin with, in a debug build.
    pub(crate) llvm_lines: usize,
    /// The source when the macros are expanded.
    pub(crate) expanded_lines: usize,
}

/// Compiles the three, below `folder`.
pub(crate) fn measure(folder: &Path) -> Result<Vec<Compiled>, Box<dyn Error>> {
    let packages = SOURCES.iter().map(|source| source.write(folder)).collect::<Result<Vec<_>, _>>()?;
    let check = times(&packages, "--profile=check", 5)?;
    let debug = times(&packages, "--profile=dev", 3)?;
    let release = times(&packages, "--profile=release", 2)?;
    let compiled = SOURCES.iter().zip(&packages).enumerate().map(|(at, (source, package))| {
        Ok(Compiled {
            name: source.name,
            times: [check[at][0], debug[at][0], release[at][0]],
            expansion: check[at][1],
            llvm_lines: llvm_lines(package)?,
            expanded_lines: rustc(package, "--profile=check", &["-Zunpretty=expanded"])?.lines().count(),
        })
    });
    compiled.collect()
}

/// Of functions, which are what is indented.
fn llvm_lines(package: &Path) -> Result<usize, Box<dyn Error>> {
    let ir = package.join("main.ll");
    let emit = format!("--emit=llvm-ir={}", ir.display());
    let args = ["-Cno-prepopulate-passes", "-Ccodegen-units=1", "-Cdebuginfo=0", &emit];
    rustc(package, "--profile=dev", &args)?;
    Ok(fs::read_to_string(ir)?.lines().filter(|line| line.starts_with("  ")).count())
}

/// All that rustc takes for each, and the expansion of the macros: the least of so many runs, as what else the machine
/// does only adds to it. They take turns, as it does not do so evenly.
fn times(packages: &[PathBuf], profile: &str, runs: u32) -> Result<Vec<[f64; 2]>, Box<dyn Error>> {
    let mut all = vec![[f64::INFINITY; 2]; packages.len()];
    for _ in 0..runs {
        for (package, least) in packages.iter().zip(&mut all) {
            let passes = rustc(package, profile, &["-Ztime-passes"])?;
            for (least, pass) in least.iter_mut().zip(["total", "macro_expand_crate"]) {
                *least = least.min(seconds(&passes, pass)?);
            }
        }
    }
    Ok(all)
}

/// The seconds in a line such as `time:   0.055; rss:   41MB ->   49MB (   +8MB)  macro_expand_crate`.
fn seconds(passes: &str, pass: &str) -> Result<f64, Box<dyn Error>> {
    let line = passes.lines().find(|line| line.split_whitespace().last() == Some(pass)).ok_or("no such pass")?;
    let time = line.strip_prefix("time:").and_then(|rest| rest.split(';').next()).ok_or("no time")?;
    Ok(time.trim().parse()?)
}

/// Compiles the crate once more: what rustc says.
fn rustc(package: &Path, profile: &str, args: &[&str]) -> Result<String, Box<dyn Error>> {
    fs::File::options().append(true).open(package.join("src/main.rs"))?.set_modified(SystemTime::now())?;
    let output = Command::new("cargo")
        .args(["rustc", "--quiet", profile, "--"])
        .args(args)
        .current_dir(package)
        .env("CARGO_TARGET_DIR", package.with_file_name("target"))
        .env("RUSTC_BOOTSTRAP", "1") // for the options that only nightly has
        .output()?;
    let text = String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?;
    if output.status.success() { Ok(text) } else { Err(text.into()) }
}
