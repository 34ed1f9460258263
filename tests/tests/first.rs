#![forbid(unsafe_code)]
use async_context_manager::{Outcome, async_context_manager, context_managers, with};
use std::sync::Mutex;

#[derive(Default)]
struct Log(Mutex<Vec<String>>);
impl Log {
    fn add(&self, s: impl Into<String>) {
        self.0.lock().unwrap().push(s.into())
    }
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join(" ")
    }
}

#[async_context_manager]
async fn simple(log: &Log) -> &mut Vec<u32> {
    log.add("enter");
    tokio::task::yield_now().await;
    let mut v = vec![1];
    let outcome = r#yield!(&mut v);
    log.add(format!("{outcome:?}"));
    tokio::task::yield_now().await;
    log.add(format!("exit{}", v.len()));
}

#[async_context_manager]
async fn fallible(log: &Log, name: &str, fail: u8) -> Result<&mut Vec<u32>, String> {
    if fail == 1 {
        return Err("enter".into());
    }
    let mut v = vec![1];
    let outcome = r#yield!(&mut v);
    log.add(format!("{name}:{outcome:?}"));
    if fail == 2 {
        return Err("exit".into());
    }
    Ok(())
}

context_managers! {
    #[async_context_manager]
    async fn wrapped<'a>(log: &'a Log) -> (&'a Log, &u32) {
        let n = 5;
        yield!((log, &n));
        log.add("wrapped");
    }
}

#[async_context_manager]
async fn composed(log: &Log) -> Result<&mut Vec<u32>, String> {
    with!(fallible(log, "a", 0) as a, fallible(log, "b", 0) as b => {
        a.push(1);
        b.push(2);
        r#yield!(b);
    })
}

#[async_context_manager]
async fn raced(log: &Log) -> Result<(), String> {
    tokio::select! {
        o = async { r#yield!(()) } => log.add(format!("{o:?}")),
        () = tokio::time::sleep(std::time::Duration::from_millis(5)) => { log.add("timeout"); return Err("timeout".into()) }
    }
    Ok(())
}

async fn early(log: &Log) -> Result<u32, String> {
    let x = with!(simple(log) as v => {
        v.push(2);
        if v.len() == 2 { Err("bad".to_string())?; }
        7
    });
    Ok(x)
}

async fn loops(log: &Log) -> u32 {
    let mut n = 0;
    let r = 'l: loop {
        with!(simple(log) as v => {
            n += 1;
            if n == 1 { continue; }
            for i in 0..3 { if i == 1 { break; } v.push(1); }
            if n == 2 { continue 'l; }
            if n == 3 { break 'l n; }
            break 0;
        })
    };
    let _ = r;
    r
}

#[tokio::test]
async fn t() {
    let log = Log::default();
    let n: usize = with!(simple(&log) as v => { v.push(1); v.len() });
    assert_eq!((n, &*log.take()), (2, "enter Completed exit2"));
    assert_eq!(early(&log).await, Err("bad".into()));
    assert_eq!(log.take(), "enter Failed(()) exit2");
    let n: Result<u32, String> =
        with!(fallible(&log, "a", 0) as _v, fallible(&log, "b", 0) as v => { v.push(1); "5".parse().unwrap() });
    assert_eq!((n, &*log.take()), (Ok(5), "b:Completed a:Completed"));
    let n: Result<u32, String> =
        with!(fallible(&log, "a", 0) as _v, fallible(&log, "b", 1) as v => { v.push(1); "5".parse().unwrap() });
    assert_eq!((n, &*log.take()), (Err("enter".into()), "a:Failed(())"));
    let r: Result<Result<u8, ()>, String> = with!(composed(&log) as v => { v.push(1); Err(()) });
    assert_eq!((r, &*log.take()), (Ok(Err(())), "b:Failed(()) a:Failed(())"));
    with!(wrapped(&log) as (l, n) => { l.add(format!("{n}")) });
    assert_eq!(log.take(), "5 wrapped");
    let r = with!(raced(&log) => { std::future::pending::<()>().await });
    assert_eq!((r, &*log.take()), (Err("timeout".into()), "timeout"));
    let r = with!(raced(&log) => { tokio::task::yield_now().await; 5 });
    assert_eq!((r, &*log.take()), (Ok(5), "Completed"));
    let _ = Outcome::<()>::Completed;
    assert_eq!(
        (loops(&log).await, &*log.take()),
        (3, "enter Completed exit1 enter Completed exit2 enter Completed exit2")
    );
    println!("{}", std::mem::size_of_val(&loops(&log)));
}
