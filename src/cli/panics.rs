//! What the server's log says of a fault of the program. The text of a panic may hold what a customer sent, a slice of it or the
//! whole, so it is left out; the place tells whoever mends it where to look. What the engine failed on is in the quarantine, text
//! and all, and goes from there when its person is erased.

use std::panic::{PanicHookInfo, set_hook};
use std::thread;

/// From here on a panic is told by the log, without its text.
pub(super) fn tell_without_texts() {
    set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let thread = thread::current().name().unwrap_or("one without a name").to_owned();
    tracing::error!(place, thread, "a fault of the program (its text is left out here: it may hold personal data)");
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::panic::{catch_unwind, take_hook};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_told_by_its_place_and_not_by_its_text() {
        let log = Log::default();
        let written = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || written.clone()).with_ansi(false).finish();
        let before = take_hook();
        tell_without_texts();
        let name = "ada@example.com";
        let failed = tracing::subscriber::with_default(subscriber, || {
            catch_unwind(|| {
                // As the library panics: with the text that was to be cut.
                let nowhere = name.len() + 1;
                name[nowhere..].len()
            })
        });
        set_hook(before);
        assert!(failed.is_err());
        let told = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(told.contains("ERROR") && told.contains("src/cli/panics.rs:"), "{told}");
        assert!(!told.contains("ada") && !told.contains("example.com"), "{told}");
    }
}
