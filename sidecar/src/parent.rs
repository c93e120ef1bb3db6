//! The end of whoever started this process, noticed without being told: they hold the other end
//! of its standard input, and the kernel closes that end however they ended.

use tokio::sync::oneshot;

/// Resolves when standard input closes. What comes from it until then is read and ignored.
///
/// A thread of its own waits, because reading cannot be given up half-way; it ends with the
/// process.
pub async fn stdin_closed() {
    let (closed, noticed) = oneshot::channel();
    let watching = std::thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            drain(std::io::stdin());
            // Nobody waits any more when the node already ends.
            let _ignored = closed.send(());
        });
    if watching.is_err() {
        // Without the thread nobody could tell: then the parent counts as alive.
        std::future::pending::<()>().await;
    }
    let _closed = noticed.await;
}

fn drain(mut input: impl std::io::Read) {
    let mut buffer = [0; 256];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn input_is_ignored_until_its_other_end_is_gone() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let draining = std::thread::spawn(move || drain(reader));
        writer.write_all(&[b'x'; 10_000]).unwrap();
        assert!(!draining.is_finished(), "the other end is held");
        drop(writer);
        draining.join().unwrap();
    }
}
