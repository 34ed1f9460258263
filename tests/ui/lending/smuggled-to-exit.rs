//! The block can't store the lent value in the arguments of the manager, where the exit phase would find it.

use std::cell::Cell;

use async_context_manager::{AsyncContextManager, Outcome, async_context_manager, with};

#[async_context_manager]
async fn function<'x>(kept: &'x Cell<Option<&'x str>>) -> &str {
    let data = String::from("local");
    r#yield!(&data);
    drop(data);
    println!("{:?}", kept.get());
}

struct Type<'x> {
    kept: &'x Cell<Option<&'x str>>,
    data: String,
}

impl AsyncContextManager for Type<'_> {
    type Value<'v>
        = &'v str
    where
        Self: 'v;
    type Exit = ();

    async fn enter(&mut self) -> &str {
        &self.data
    }

    async fn exit(&mut self, _outcome: Outcome) {
        self.data.clear();
        println!("{:?}", self.kept.get());
    }
}

async fn from_a_function() {
    let kept = Cell::new(None);
    with!(function(&kept) as data => kept.set(Some(data)));
}

async fn from_a_type() {
    let kept = Cell::new(None);
    let data = String::from("member");
    with!(Type { kept: &kept, data } as data => kept.set(Some(data)));
}

fn main() {
    drop((from_a_function(), from_a_type()));
}
