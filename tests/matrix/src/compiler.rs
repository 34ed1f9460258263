//! Has the compiler look at programs, many at a time, and tells whose errors are whose.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use crate::program::Program;

/// What all programs use.
const PRELUDE: &str = include_str!("prelude.rs");

/// An error: its code, if there is one, and its words.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// `E0597`, or nothing.
    pub code: String,
    /// The first line.
    pub message: String,
}

/// How programs are compiled: with which build of the crate, and where to.
#[derive(Debug)]
pub struct Compiler {
    library: PathBuf,
    folder: PathBuf,
    sanitized: bool,
}

impl Compiler {
    /// Builds the crate, if it has not been built; with `AddressSanitizer`, if that is asked for.
    ///
    /// # Panics
    ///
    /// When it can't be built.
    #[must_use]
    pub fn new(folder: &Path, sanitized: bool) -> Self {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--package", "matrix", "--message-format", "json"]);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        if sanitized {
            cargo.args(["--target", &host(), "--target-dir"]).arg(folder.join("sanitized"));
            cargo.env("RUSTFLAGS", "-Zsanitizer=address").env("RUSTC_BOOTSTRAP", "1");
        }
        let output = cargo.output().expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8_lossy(&output.stdout).into_owned();
        let library = messages.lines().find_map(built).expect("the crate is built");
        fs::create_dir_all(folder).expect("the folder can be made");
        Self { library, folder: folder.to_path_buf(), sanitized }
    }

    /// The errors of each program, by its index in `programs`, as the compiler comes to them: it stops at the first kind of
    /// error, so what is left is looked at again until there is none. What is not in the list compiles.
    ///
    /// # Panics
    ///
    /// When an error belongs to no program.
    #[must_use]
    pub fn check(&self, name: &str, programs: &[&Program]) -> BTreeMap<usize, Vec<Diagnostic>> {
        let mut refused = BTreeMap::new();
        loop {
            let left: Vec<usize> = (0..programs.len()).filter(|index| !refused.contains_key(index)).collect();
            let found = self.check_once(name, programs, &left);
            if found.is_empty() {
                return refused;
            }
            refused.extend(found);
        }
    }

    fn check_once(&self, name: &str, programs: &[&Program], left: &[usize]) -> BTreeMap<usize, Vec<Diagnostic>> {
        let Some(first) = left.first() else { return BTreeMap::new() };
        let source = source(programs, left);
        let file = self.write(name, &source.text);
        let mut rustc = self.rustc(&file, programs[*first].edition);
        rustc.args(["--crate-type", "lib", "--emit", "metadata", "--error-format", "json", "-o"]);
        let output = rustc.arg(file.with_extension("rmeta")).output().expect("rustc runs");
        let mut found = BTreeMap::<usize, Vec<Diagnostic>>::new();
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            let message: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not an error: {line}"));
            if message["level"] != "error" || text(&message["message"]).starts_with("aborting") {
                continue;
            }
            let line = line_of(&message, &file);
            let index = line
                .and_then(|line| source.owner(line))
                .unwrap_or_else(|| panic!("whose error? {}", message["rendered"]));
            let diagnostic = Diagnostic { code: text(&message["code"]["code"]), message: text(&message["message"]) };
            found.entry(index).or_default().push(diagnostic);
        }
        assert!(output.status.success() || !found.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        found
    }

    /// Compiles programs into one, runs it, and gives what it printed, if it failed: it ends at the first that fails.
    ///
    /// # Panics
    ///
    /// When it does not compile.
    ///
    /// # Errors
    ///
    /// With what it printed.
    pub fn run(&self, name: &str, programs: &[&Program]) -> Result<(), String> {
        let Some(first) = programs.first() else { return Ok(()) };
        let mut text = source(programs, &(0..programs.len()).collect::<Vec<_>>()).text;
        text.push_str("fn main() {\n");
        for (index, program) in programs.iter().enumerate() {
            writeln!(text, "eprintln!({:?}); assert_eq!(p{index}::run(), TEXT);", program.name).expect("it has room");
        }
        text.push_str("}\n");
        let file = self.write(name, &text);
        let program = file.with_extension("exe");
        let output = self.rustc(&file, first.edition).arg("-o").arg(&program).output().expect("rustc runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let output = Command::new(&program)
            .env("ASAN_OPTIONS", "detect_stack_use_after_return=1")
            .output()
            .expect("the program runs");
        if output.status.success() { Ok(()) } else { Err(last_lines(&output.stderr)) }
    }

    fn rustc(&self, file: &Path, edition: &str) -> Command {
        let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let library = self.library.display();
        let dependencies = self.library.parent().expect("it is in a folder");
        rustc.arg(file).args(["--edition", edition, "--cap-lints", "allow", "--crate-name", "programs"]);
        rustc.arg("--extern").arg(format!("async_context_manager={library}"));
        rustc.arg("-L").arg(format!("dependency={}", dependencies.display()));
        if self.sanitized {
            // What a macro crate needs is built for the host.
            let host = self.folder.join("sanitized/debug/deps");
            rustc.arg("-L").arg(format!("dependency={}", host.display()));
            rustc.arg("-Zsanitizer=address").env("RUSTC_BOOTSTRAP", "1");
        }
        rustc
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.join(name).with_extension("rs");
        fs::write(&file, text).expect("the file can be written");
        file
    }
}

/// The triple of the machine.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("it has a host").to_string()
}

/// The library, if a message of cargo's is about it.
fn built(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" || message["target"]["name"] != "async_context_manager" {
        return None;
    }
    let files = message["filenames"].as_array()?;
    files
        .iter()
        .filter_map(Value::as_str)
        .map(PathBuf::from)
        .find(|file| file.extension().is_some_and(|name| name == "rlib"))
}

/// A crate of programs.
struct Source {
    text: String,
    /// The line that each begins at, and its index.
    begins: Vec<(usize, usize)>,
}

impl Source {
    fn owner(&self, line: usize) -> Option<usize> {
        self.begins.iter().rev().find(|(begin, _)| *begin <= line).map(|(_, index)| *index)
    }
}

fn source(programs: &[&Program], left: &[usize]) -> Source {
    let mut source = Source { text: PRELUDE.to_string(), begins: Vec::new() };
    for index in left {
        let program = programs[*index];
        source.begins.push((source.text.lines().count() + 1, *index));
        write!(source.text, "// {}\npub mod p{index} {{ use super::*;\n{}}}\n", program.name, program.text)
            .expect("it has room");
    }
    source
}

/// The line of the file that an error is about, or that the macro was called from whose error it is.
fn line_of(message: &Value, file: &Path) -> Option<usize> {
    let spans = message["spans"].as_array()?;
    let primary = spans.iter().filter(|span| span["is_primary"] == true);
    let children = message["children"].as_array()?.iter().filter_map(|child| child["spans"].as_array()).flatten();
    primary.chain(spans).chain(children).find_map(|span| line_of_span(span, file))
}

fn line_of_span(span: &Value, file: &Path) -> Option<usize> {
    if span["file_name"].as_str().is_some_and(|name| Path::new(name) == file) {
        return span["line_start"].as_u64().and_then(|line| usize::try_from(line).ok());
    }
    let call = &span["expansion"]["span"];
    if call.is_object() { line_of_span(call, file) } else { None }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
