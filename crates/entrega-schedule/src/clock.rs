//! What time it is, and waiting for a later one.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// How long a wait may go without a look at the clock: computers sleep, and clocks are set.
const GLANCE: Duration = Duration::from_secs(20);

/// A clock that can be waited for.
#[async_trait]
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> DateTime<Utc>;

    /// Waits until a moment is reached, by this clock.
    async fn wait_until(&self, moment: DateTime<Utc>);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

#[async_trait]
impl Clock for System {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    async fn wait_until(&self, moment: DateTime<Utc>) {
        while let Ok(left) = (moment - Utc::now()).to_std()
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(GLANCE)).await;
        }
    }
}

/// A clock that starts where it is told and runs faster: for rehearsals and tests of days in minutes.
#[derive(Debug, Clone, Copy)]
pub struct Accelerated {
    start: DateTime<Utc>,
    began: Instant,
    factor: u32,
}

impl Accelerated {
    /// A clock that shows `start` now, and `factor` seconds for each second from now on.
    #[must_use]
    pub fn new(start: DateTime<Utc>, factor: u32) -> Self {
        Self { start, began: Instant::now(), factor: factor.max(1) }
    }
}

#[async_trait]
impl Clock for Accelerated {
    fn now(&self) -> DateTime<Utc> {
        let passed = self.began.elapsed().saturating_mul(self.factor);
        self.start + TimeDelta::from_std(passed).unwrap_or(TimeDelta::MAX)
    }

    async fn wait_until(&self, moment: DateTime<Utc>) {
        while let Ok(left) = (moment - self.now()).to_std()
            && !left.is_zero()
        {
            tokio::time::sleep((left / self.factor).clamp(Duration::from_millis(1), GLANCE)).await;
        }
    }
}
