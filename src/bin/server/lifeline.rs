//! When to stop: a signal, or the end of whoever started us.

use std::io::Read;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled by SIGTERM, SIGINT and, if asked for, the end of standard input.
pub(crate) fn watch(end_of_input: bool) -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        token.cancel();
    });
    if end_of_input {
        let token = stop.clone();
        std::thread::Builder::new().name("lifeline".into()).spawn(move || {
            let mut input = std::io::stdin().lock();
            // Until the end or an error; what is read means nothing.
            while matches!(input.read(&mut [0; 64]), Ok(1..)) {}
            token.cancel();
        })?;
    }
    Ok(stop)
}
