//! What a shielded manager may be given, and what it may lend: all that borrows nothing, and references to that.

use std::cell::Cell;
use std::fmt::Write;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use async_context_manager::{AsyncContextManager, Outcome};

use super::*;

/// Drops the with! in its block, and gives what the rescue has logged.
macro_rules! rescued {
    ($log:ident => $manager:expr) => {{
        let $log = Log::new();
        drop_after(1, async {
            let _ = with!($manager as _lent => pending::<()>().await);
        });
        drain();
        $log.take()
    }};
}

#[test]
fn shielded_manager_may_own_what_stands_for_any_lifetime() {
    trait Reads<T> {
        fn read(&self, from: T) -> usize;
    }

    impl Reads<&str> for u8 {
        fn read(&self, from: &str) -> usize {
            from.len()
        }
    }

    #[async_context_manager(shielded)]
    async fn pointer(log: Log, name: fn(&Log) -> usize, text: &'static str) {
        r#yield!();
        log.add(text);
        log.add(name(&log).to_string());
    }
    #[async_context_manager(shielded)]
    async fn closure(log: Log, name: impl Fn(&Log) -> usize + Send + 'static) {
        r#yield!();
        log.add(name(&log).to_string());
    }
    #[async_context_manager(shielded)]
    async fn any(log: Log, reads: impl for<'a> Reads<&'a str> + Send + 'static, boxed: Box<dyn Fn(&str) + Send>) {
        r#yield!();
        boxed("text");
        log.add(reads.read("text").to_string());
    }
    assert_eq!(rescued!(log => pointer(log.clone(), Log::len, "text")), ["text", "1"]);
    assert_eq!(rescued!(log => closure(log.clone(), Log::len)), ["0"]);
    assert_eq!(rescued!(log => any(log.clone(), 5_u8, Box::new(|_text| ()))), ["4"]);
}

#[test]
fn shielded_manager_may_own_self() {
    struct Pool(Log);

    static FOREVER: LazyLock<Pool> = LazyLock::new(|| Pool(Log::new()));

    impl Pool {
        #[async_context_manager(shielded)]
        async fn whole(self) -> &Pool {
            r#yield!(&self);
            self.0.add("whole");
        }

        #[async_context_manager(shielded)]
        async fn shared(self: Arc<Self>) -> Arc<Self> {
            r#yield!(Arc::clone(&self));
            self.0.add("shared");
        }

        #[async_context_manager(shielded)]
        async fn forever(&'static self) {
            r#yield!();
            self.0.add("forever");
        }
    }
    assert_eq!(rescued!(log => Pool(log.clone()).whole()), ["whole"]);
    assert_eq!(rescued!(log => Arc::new(Pool(log.clone())).shared()), ["shared"]);
    assert!(rescued!(log => FOREVER.forever()).is_empty());
    assert_eq!(FOREVER.0.take(), ["forever"]);
}

#[test]
fn shielded_manager_may_lend_what_it_owns() {
    #[async_context_manager(shielded)]
    async fn number() -> u8 {
        r#yield!(5);
    }
    #[async_context_manager(shielded)]
    async fn slice(log: Log) -> &[u8] {
        let bytes = vec![5];
        r#yield!(&bytes);
        log.add("slice");
    }
    #[async_context_manager(shielded)]
    async fn object(log: Log) -> &mut (dyn Write + Send + 'static) {
        let mut text = String::new();
        r#yield!(&mut text);
        log.add(text);
    }
    #[async_context_manager(shielded)]
    async fn fallible<T: Default + Send + 'static>(log: Log) -> io::Result<&mut T> {
        let mut value = T::default();
        r#yield!(&mut value);
        log.add("fallible");
        Ok(())
    }
    assert!(rescued!(log => number()).is_empty());
    assert_eq!(rescued!(log => slice(log.clone())), ["slice"]);
    assert_eq!(rescued!(log => object(log.clone())), [""]);
    assert_eq!(rescued!(log => fallible::<Vec<u8>>(log.clone())), ["fallible"]);
    tests::block_on(async {
        let log = Log::new();
        with!(object(log.clone()) as text => text.write_str("written").expect("there is room"));
        assert_eq!(log.take(), ["written"]);
    });
}

#[test]
fn shielded_manager_that_owns_may_have_options() {
    #[async_context_manager(shielded, catch)]
    async fn catches<E: Send + 'static>(log: Log) -> Result<(), E> {
        let outcome = r#yield!();
        log.add(format!("{:?}", outcome.is_cancelled()));
        outcome.into_result()
    }
    #[async_context_manager(catch, suppress, shielded)]
    async fn suppresses(log: Log) -> Result<(), String> {
        let outcome = r#yield!();
        log.add(format!("{outcome:?}"));
        Ok(())
    }
    let log = Log::new();
    drop_after(1, async {
        with!(catches(log.clone()) => {
            pending::<()>().await;
            Err(5)?;
        })?;
        Ok::<(), i32>(())
    });
    drain();
    assert_eq!(log.take(), ["true"]);
    assert_eq!(rescued!(log => suppresses(log.clone())), ["Cancelled"]);
    let failed = tests::block_on(async { with!(suppresses(log.clone()) => { Err("failed".to_string())? }) });
    assert_eq!(failed, Ok(None::<()>));
    assert_eq!(log.take(), ["Failed(\"failed\")"]);
}

/// The value is made on the thread of the `with!`, and need not leave it.
#[test]
fn shielded_type_may_lend_a_value_for_its_thread_only() {
    struct Local(Log);

    impl AsyncContextManager for Local {
        type Value<'v> = Rc<u8>;
        type Exit = ();

        async fn enter(&mut self) -> Rc<u8> {
            Rc::new(5)
        }

        async fn exit(&mut self, outcome: Outcome) {
            yields(1).await;
            self.0.add(format!("sees {outcome:?}"));
        }
    }
    assert_eq!(rescued!(log => Local(log.clone()).into_manager().shielded()), ["sees Cancelled"]);
}

#[test]
fn shielded_type_may_be_not_sync() {
    struct Counter(Cell<u8>, Log);

    impl AsyncContextManager for Counter {
        type Value<'v> = &'v Cell<u8>;
        type Exit = ();

        async fn enter(&mut self) -> &Cell<u8> {
            &self.0
        }

        async fn exit(&mut self, _outcome: Outcome) {
            yields(1).await;
            self.1.add(self.0.get().to_string());
        }
    }
    let log = Log::new();
    let counter = Counter(Cell::new(0), log.clone());
    drop_after(1, async {
        with!(counter.into_manager().shielded() as cell => {
            cell.set(5);
            pending::<()>().await;
        });
    });
    drain();
    assert_eq!(log.take(), ["5"]);
}
