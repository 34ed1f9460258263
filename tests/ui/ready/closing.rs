//! `closing` takes an `async` function that returns `()` or a `Result<(), E>`.

use async_context_manager::{closing, with};

struct File;

impl File {
    fn sync(self) {}
    async fn count(self) -> u8 {
        0
    }
    async fn flush(&mut self) {}
    async fn bytes(self) -> Result<u8, String> {
        Ok(0)
    }
}

async fn synchronous() {
    with!(closing(File, |file: File| file.sync()) => {});
}

async fn gives_a_number() {
    with!(closing(File, File::count) => {});
}

async fn gives_a_result_of_a_number() {
    let _: Result<(), String> = with!(closing(File, File::bytes) => {});
}

async fn takes_a_reference() {
    with!(closing(File, File::flush) => {});
}

async fn is_used_after_it_is_closed() {
    let file = File;
    with!(closing(file, async |_| ()) => {});
    file.sync();
}

fn main() {}
