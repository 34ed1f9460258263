use std::pin::Pin;

use async_context_manager::{async_context_manager, within};

#[async_context_manager]
async fn connection() -> u32 {
    r#yield!(5);
}

// What `#[async_trait]` makes of a trait with manager functions.
trait Connects {
    #[async_context_manager]
    fn connection(&self) -> Pin<Box<dyn Future<Output = u32> + Send + '_>>;
}

impl Connects for u32 {
    #[async_context_manager]
    fn connection(&self) -> Pin<Box<dyn Future<Output = u32> + Send + '_>> {
        Box::pin(async move {
            let __self = self;
            let __ret: u32 = {
                r#yield!(*__self);
            };
            __ret
        })
    }
}

struct Service;

// An error in a method that it has changed.
impl Service {
    #[within(connection() as conn => )]
    fn broken_header(&self) -> Pin<Box<dyn Future<Output = u32> + Send + '_>> {
        Box::pin(async move { conn })
    }
}

// A function that returns a boxed future, but makes it in another way.
#[within(connection() as conn)]
fn made_elsewhere() -> Pin<Box<dyn Future<Output = u32>>> {
    boxed(conn)
}

fn boxed(value: u32) -> Pin<Box<dyn Future<Output = u32>>> {
    Box::pin(std::future::ready(value))
}

fn main() {}
