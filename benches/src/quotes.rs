//! Passages of `results.md` that other pages repeat: what stands between `<!-- results: NAME -->` and `<!-- end -->`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 4] =
    ["README.md", "docs/guide/src/comparison.md", "docs/guide/src/faq.md", "docs/guide/src/performance.md"];
const BEGIN: &str = "<!-- results: ";
const BEGUN: &str = " -->";
const END: &str = "<!-- end -->";

/// `text` as a passage of `results.md`.
pub(crate) fn passage(name: &str, text: &str) -> String {
    format!("{BEGIN}{name}{BEGUN}\n{text}{END}\n")
}

/// Repeats in all pages what `results` says.
pub(crate) fn write(results: &str) -> Result<(), Box<dyn Error>> {
    for page in pages() {
        let text = fs::read_to_string(&page)?;
        fs::write(&page, quoting(&text, results)?)?;
    }
    Ok(())
}

/// Whether all pages repeat what `results.md` says; prints which do not.
pub(crate) fn check() -> Result<bool, Box<dyn Error>> {
    let results = fs::read_to_string(root().join("benches/results.md"))?;
    let mut same = true;
    for page in pages() {
        let text = fs::read_to_string(&page)?;
        if quoting(&text, &results)? != text {
            println!("{} does not repeat what benches/results.md says", page.display());
            same = false;
        }
    }
    Ok(same)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in the workspace")
}

fn pages() -> impl Iterator<Item = PathBuf> {
    PAGES.iter().map(|page| root().join(page))
}

/// `page`, with its passages as `results` has them.
fn quoting(page: &str, results: &str) -> Result<String, String> {
    let mut parts = page.split(BEGIN);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(BEGUN).ok_or("a passage without a name")?;
        let (old, after) = rest.split_once(END).ok_or_else(|| format!("the passage {name} does not end"))?;
        let begin = format!("{BEGIN}{name}{BEGUN}");
        let new = results.split_once(&begin).and_then(|(_, rest)| rest.split_once(END));
        let (new, _) = new.ok_or_else(|| format!("results.md has no passage {name}"))?;
        // A passage in the middle of a line stays there.
        let new = if old.starts_with('\n') { new } else { new.trim_matches('\n') };
        text.extend([&begin, new, END, after]);
    }
    Ok(text)
}
