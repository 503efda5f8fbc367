//! How a session waits for directories: with signs of life, and until somebody presses Ctrl-C.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Session;
use crate::connector::ConnectorError;
use crate::run::RunError;

/// How often it is looked whether somebody pressed Ctrl-C.
const GLANCE: Duration = Duration::from_millis(50);

/// How often there is a sign of life while a directory does not answer.
const SIGN: Duration = Duration::from_secs(1);

impl Session {
    /// Waits for what a directory does. It may take its time, within its own limits: there are signs of life meanwhile.
    pub(in crate::run) fn alive_while<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async {
            let mut work = std::pin::pin!(work);
            loop {
                tokio::select! {
                    done = &mut work => return done,
                    () = tokio::time::sleep(SIGN) => {
                        if let Some(pulse) = &self.pulse {
                            pulse();
                        }
                    }
                }
            }
        })
    }

    /// Waits for what a directory shows next, until somebody presses Ctrl-C; nothing at the end.
    ///
    /// # Errors
    /// `Interrupted`.
    pub(in crate::run) fn next<T>(&self, shown: &mut tokio::sync::mpsc::Receiver<T>) -> Result<Option<T>, RunError> {
        self.alive_while(async {
            tokio::select! {
                next = shown.recv() => Ok(next),
                () = self.is_overdue(Duration::ZERO) => Err(RunError::Interrupted),
            }
        })
    }

    /// Ends so long after somebody wanted to stop.
    pub(in crate::run) async fn is_overdue(&self, grace: Duration) {
        while !self.interrupted.load(Ordering::Relaxed) {
            tokio::time::sleep(GLANCE).await;
        }
        tokio::time::sleep(grace).await;
    }

    /// Waits for what a directory does, until somebody presses Ctrl-C.
    ///
    /// # Errors
    /// When the directory could not be used, or `Interrupted`.
    pub(in crate::run) fn wait_for<T>(
        &self,
        connector: &str,
        work: impl Future<Output = Result<T, ConnectorError>>,
    ) -> Result<T, RunError> {
        let stopped = self.is_overdue(Duration::ZERO);
        let done = self.alive_while(async {
            tokio::select! {
                done = work => Some(done),
                () = stopped => None,
            }
        });
        let failed = |error| RunError::Connector { connector: connector.to_owned(), error };
        done.map_or(Err(RunError::Interrupted), |done| done.map_err(failed))
    }
}
