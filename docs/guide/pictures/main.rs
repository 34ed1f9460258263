//! Draws the pictures of the guide: runs managers with a paused clock, and draws what was recorded.
//!
//! `cargo run -p guide --example pictures` writes them. Its test compares the files with what it draws.

#![forbid(unsafe_code)]

use std::path::Path;

mod drops;
mod instructions;
mod life;
mod record;
mod states;
mod stop;
mod svg;
mod timeline;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/images");

const PICTURES: [(&str, fn() -> String); 6] = [
    ("life-of-a-with.svg", life::draw),
    ("stop.svg", stop::draw),
    ("drop.svg", drops::draw_in_block),
    ("moments.svg", drops::draw_moments),
    ("states.svg", states::draw),
    ("instructions.svg", instructions::draw),
];

/// Draws each picture. What is lost in the runs is visible in the pictures.
fn draw() -> impl Iterator<Item = (&'static str, String)> {
    async_context_manager::rescue::set_hook(|_| {});
    PICTURES.into_iter().map(|(name, draw)| (name, draw()))
}

fn main() -> std::io::Result<()> {
    for (name, picture) in draw() {
        std::fs::write(Path::new(FOLDER).join(name), picture)?;
        println!("written: {name}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_pictures_show_what_happens() {
        for (name, picture) in super::draw() {
            let file = fs::read_to_string(Path::new(super::FOLDER).join(name)).unwrap_or_default();
            assert!(file == picture, "{name} is out of date: `cargo run -p guide --example pictures` draws it");
        }
    }

    #[test]
    fn each_picture_is_drawn_here() {
        let files = fs::read_dir(super::FOLDER).expect("the pictures");
        let files = files.map(|file| file.expect("a file").file_name().into_string().expect("a name"));
        assert_eq!(files.collect::<BTreeSet<_>>(), super::PICTURES.map(|(name, _)| name.to_owned()).into());
    }
}
