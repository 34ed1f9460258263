//! The exit phase may outlive the caller's locals, so the block can't store borrows of them.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use async_context_manager::{AsyncContextManager, AsyncExitStack, Outcome, async_context_manager, with};

#[async_context_manager(shielded)]
async fn list() -> &mut Vec<&'static str> {
    let mut list = Vec::new();
    r#yield!(&mut list);
    println!("{list:?}");
}

async fn in_a_list() {
    let local = String::from("local");
    with!(list() as list => list.push(&local));
}

async fn by_scope() {
    let local = String::from("local");
    list().scope(async |list| list.push(&local)).await;
}

async fn by_a_stack() -> Result<(), ()> {
    let local = String::from("local");
    with!(AsyncExitStack::new() as stack => {
        stack.enter(list()).await.push(&local);
        Ok::<_, ()>(())
    })?;
    Ok(())
}

#[async_context_manager(shielded)]
async fn shared() -> Arc<Mutex<Option<&'static str>>> {
    let slot = Arc::new(Mutex::new(None));
    r#yield!(Arc::clone(&slot));
    println!("{:?}", slot.lock());
}

async fn in_a_mutex() {
    let local = String::from("local");
    with!(shared() as slot => *slot.lock().unwrap() = Some(&local));
}

#[async_context_manager(shielded)]
async fn generic<T: Send + 'static>() -> &mut Option<T> {
    let mut slot = None;
    r#yield!(&mut slot);
    drop(slot);
}

async fn in_a_generic() {
    let local = 5;
    with!(generic::<&u8>() as slot => *slot = Some(&local));
}

#[async_context_manager(shielded, catch)]
async fn catches<E: Send + 'static>() -> Result<(), E> {
    r#yield!().into_result()
}

async fn as_an_error(name: &str) -> Result<(), &str> {
    with!(catches() => { Err(name)?; })
}

type Task = Box<dyn FnOnce() + Send>;

#[async_context_manager(shielded)]
async fn deferred() -> &mut Vec<Task> {
    let mut tasks = Vec::new();
    r#yield!(&mut tasks);
    tasks.into_iter().for_each(|task: Task| task());
}

async fn in_a_closure() {
    let local = String::from("local");
    with!(deferred() as tasks => tasks.push(Box::new(|| println!("{local}"))));
}

trait Keep {
    fn keep(&mut self, what: &'static str);
}

impl Keep for Vec<&'static str> {
    fn keep(&mut self, what: &'static str) {
        self.push(what);
    }
}

#[async_context_manager(shielded)]
async fn object() -> &mut (dyn Keep + Send + 'static) {
    let mut list = Vec::new();
    r#yield!(&mut list);
}

async fn in_an_object() {
    let local = String::from("local");
    with!(object() as kept => kept.keep(&local));
}

struct Own(Cell<Option<&'static str>>);

impl AsyncContextManager for Own {
    type Value<'v> = &'v mut Cell<Option<&'static str>>;
    type Exit = ();

    async fn enter(&mut self) -> &mut Cell<Option<&'static str>> {
        &mut self.0
    }

    async fn exit(&mut self, _outcome: Outcome) {
        println!("{:?}", self.0.get());
    }
}

async fn in_a_type() {
    let local = String::from("local");
    with!(Own(Cell::new(None)).into_manager().shielded() as kept => kept.set(Some(&local)));
}

fn main() {}
