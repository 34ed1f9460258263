//! Scopes that are stopped, mixed with scopes that are dropped: each exit phase that must be awaited is awaited to its
//! end, whichever thread stops it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

use async_context_manager::rescue::{self, LossKind};
use futures::executor;
use tests::{alone, yields};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::pool::{Fate, Pool};
use super::programs::{Place, World, run};
use super::{CLIENTS, Planned, Random, SCOPES, faults, require, two_workers};

/// The end of a program, as its client sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum End {
    Done,
    Failed,
    Panicked,
    Aborted,
}

/// How often the hook was told that an exit phase of a transaction was cut.
static CUT: AtomicUsize = AtomicUsize::new(0);

/// Runs a program in a task, which a third of the clients abort.
async fn attempt(world: &Arc<World>, random: &mut Random) -> End {
    let patience = random.percent(30).then(|| random.below(40));
    let program = random.program(patience.is_some());
    let task = tokio::spawn(run(Place::of_task(world, patience.is_some()), &program));
    if let Some(patience) = patience {
        yields(patience).await;
        task.abort();
    }
    match task.await {
        Ok(Ok(())) => End::Done,
        Ok(Err(_failure)) => End::Failed,
        Err(error) if error.is_cancelled() => End::Aborted,
        Err(error) => {
            // A runtime that is being dropped drops the tasks of a group, which is a panic of the group.
            let is_planned = error.into_panic().is::<Planned>() || world.pools[0].is_shut_down.load(SeqCst);
            require(is_planned, || "an unplanned panic".to_owned());
            End::Panicked
        }
    }
}

/// Starts the clients, which run programs until these have reached enough scopes. They report each end.
fn clients(runtime: &Runtime, world: &Arc<World>, ends: &mpsc::Sender<End>) -> Vec<JoinHandle<()>> {
    let client = |seed| {
        let (world, ends) = (Arc::clone(world), ends.clone());
        async move {
            let mut random = Random(seed);
            while faults().is_empty() && world.scopes.load(SeqCst) < SCOPES {
                let end = attempt(&world, &mut random).await;
                if ends.send(end).is_err() {
                    return;
                }
            }
        }
    };
    (0..CLIENTS as u64).map(|seed| runtime.spawn(client(seed))).collect()
}

/// Counts the exit phases that the hook reports as cut.
fn count_losses() {
    rescue::set_hook(|loss| {
        if loss.kind() == LossKind::Unfinished && loss.manager().ends_with("transaction") {
            CUT.fetch_add(1, SeqCst);
        }
    });
}

/// Returns the memory of this process, in KiB. `None` where the system does not tell, and under a sanitizer, which keeps
/// what is freed.
fn resident() -> Option<usize> {
    if env::var_os("ASAN_OPTIONS").is_some() {
        return None;
    }
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn fates(world: &World) -> BTreeMap<Fate, usize> {
    let mut fates = BTreeMap::new();
    for pool in &world.pools {
        for (fate, count) in &*pool.fates.lock().unwrap() {
            *fates.entry(*fate).or_default() += count;
        }
    }
    fates
}

/// Checks that nothing is left of the programs, neither in a pool, nor in memory, nor in a rescue.
fn check(world: &World) {
    world.pools.iter().for_each(|pool| Pool::check(pool));
    assert!(rescue::pending().is_empty());
}

/// Counts the ends of all programs. Returns the memory in use after a quarter of the scopes, too.
fn count_ends(world: &World, ends: mpsc::Receiver<End>) -> (BTreeMap<End, usize>, Option<usize>) {
    let (mut ended, mut memory) = (BTreeMap::new(), None);
    for end in ends {
        *ended.entry(end).or_default() += 1;
        if memory.is_none() && world.scopes.load(SeqCst) > SCOPES / 4 {
            memory = resident();
        }
    }
    (ended, memory)
}

/// Runs all clients to their end. Returns how often the programs ended in each way, and how often each kind of scope was
/// stopped.
fn soak() -> (BTreeMap<End, usize>, BTreeMap<&'static str, usize>) {
    let ((world, stopper), (sender, ends)) = (World::new(), mpsc::channel());
    let runtime = two_workers();
    count_losses();
    let clients = clients(&runtime, &world, &sender);
    drop(sender);
    let (ended, early) = count_ends(&world, ends);
    for client in clients {
        runtime.block_on(client).expect("no client panics");
    }
    runtime.block_on(rescue::drain());
    let (late, stops) = (resident(), world.stops.lock().unwrap().clone());
    eprintln!("{ended:?}\n{stops:?}\n{:?}\n{early:?} KiB, then {late:?}", fates(&world));
    check(&world);
    assert_eq!(fates(&world)[&Fate::DroppedLeaving], CUT.load(SeqCst), "each cut is reported");
    let is_flat = early.zip(late).is_none_or(|(early, late)| late < early + 8192);
    assert!(is_flat, "the memory grows: {early:?} KiB, then {late:?}");
    drop(Arc::into_inner(world).expect("nothing is left of the programs"));
    stopper.join().expect("it does not panic");
    (ended, stops)
}

#[test]
fn a_hundred_thousand_scopes_that_are_stopped_are_left_to_their_end() {
    let said = alone(|| {
        let (ended, stops) = soak();
        assert!(ended.len() == 4 && ended.values().all(|&count| count > 100), "{ended:?}");
        assert!(stops.len() == 9 && stops.values().all(|&count| count > 20), "each stop takes effect: {stops:?}");
    });
    println!("{said}");
}

#[test]
fn a_runtime_that_is_dropped_in_the_middle_of_stops_leaves_the_pool_as_it_was() {
    alone(|| {
        let ((world, stopper), (sender, ends)) = (World::new(), mpsc::channel());
        let runtime = two_workers();
        count_losses();
        let clients = clients(&runtime, &world, &sender);
        drop(sender);
        while world.scopes.load(SeqCst) < SCOPES / 20 {
            ends.recv().expect("a client reports");
        }
        world.pools.iter().for_each(|pool| pool.is_shut_down.store(true, SeqCst));
        drop(runtime);
        drop(clients);
        executor::block_on(rescue::drain());
        check(&world);
        drop(Arc::into_inner(world).expect("nothing is left of the programs"));
        stopper.join().expect("it does not panic");
    });
}
