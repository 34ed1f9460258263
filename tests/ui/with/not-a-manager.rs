use async_context_manager::with;

async fn plain() -> u32 {
    5
}

async fn future() {
    with!(plain() as n => { n });
}

async fn option() {
    with!(Some(5) as n => { n });
}

async fn guard(lock: &std::sync::Mutex<u32>) {
    with!(lock.lock().unwrap() as n => { *n });
}

fn main() {}
