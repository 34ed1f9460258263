//! Stops programs in every way, or in a sample of the ways.

use std::sync::Arc;

use super::{Dropping, Runner, run_and_check};
use crate::env::{Fault, Injection};
use crate::model::{Step, Steps};

/// How many ways have been tried to stop programs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopped {
    /// After each poll.
    pub alone: usize,
    /// The same, and a failure or a panic at each point.
    pub faults: usize,
    /// The same without that, and dropped after each later poll.
    pub drops: usize,
    /// With both.
    pub all: usize,
}

/// The samples: of so many ways, one is tried. With 0, none is.
#[derive(Clone, Copy, Debug)]
pub struct OneOf {
    pub faults: usize,
    pub drops: usize,
    pub all: usize,
}

/// Stops programs.
#[derive(Debug)]
pub struct Stopping {
    runner: Runner,
    one_of: OneOf,
    tried: Stopped,
    /// The ways so far, of which some were tried.
    ways: Stopped,
}

impl Stopping {
    #[must_use]
    pub fn new(runner: Runner, one_of: OneOf) -> Self {
        Self { runner, one_of, tried: Stopped::default(), ways: Stopped::default() }
    }

    #[must_use]
    pub fn tried(&self) -> Stopped {
        self.tried
    }

    /// Stops a program after each of its polls: alone; with something going wrong at a point; dropped afterwards; and
    /// with both.
    pub fn exhaust(&mut self, steps: Steps) -> Result<(), String> {
        let steps = Arc::from(steps);
        let as_it_is = run_and_check(self.runner, &steps, Dropping::default())?;
        // A scope can be stopped when its block has begun.
        for stop in 1..as_it_is.stops {
            let way = Dropping { stop_at: Some(stop), ..Dropping::default() };
            let stopped = run_and_check(self.runner, &steps, way)?;
            self.tried.alone += 1;
            self.points(&steps, way, stopped.points)?;
            for drop in stop..stopped.stops {
                if is_turn(&mut self.ways.drops, self.one_of.drops) {
                    let way = Dropping { drop_at: Some(drop), ..way };
                    let dropped = run_and_check(self.runner, &steps, way)?;
                    self.tried.drops += 1;
                    self.points(&steps, way, dropped.points)?;
                }
            }
        }
        Ok(())
    }

    /// Something goes wrong at each of the points.
    fn points(&mut self, steps: &Arc<[Step]>, way: Dropping, points: usize) -> Result<(), String> {
        let (ways, tried, one_of) = if way.drop_at.is_none() {
            (&mut self.ways.faults, &mut self.tried.faults, self.one_of.faults)
        } else {
            (&mut self.ways.all, &mut self.tried.all, self.one_of.all)
        };
        for point in 0..points {
            for fault in [Fault::Fails, Fault::Panics] {
                if is_turn(ways, one_of) {
                    let injection = Some(Injection { point, fault });
                    run_and_check(self.runner, steps, Dropping { injection, ..way })?;
                    *tried += 1;
                }
            }
        }
        Ok(())
    }
}

fn is_turn(ways: &mut usize, one_of: usize) -> bool {
    *ways += 1;
    ways.checked_rem(one_of) == Some(0)
}
