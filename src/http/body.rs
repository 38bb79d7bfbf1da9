//! Reading a body within bounds: of what comes over the wire, of what it inflates to, and of time.

use std::io::Write;
use std::time::Duration;

use actix_web::http::header;
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, web};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;

/// How long a sender may take over one body.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Bytes beyond the limit that are read and thrown away, so that a sender in full flow hears the answer rather than a
/// broken connection.
const DRAINED_BYTES: usize = 16 * 1024 * 1024;

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    BadGzip,
    /// `Content-Encoding` names something else than gzip.
    UnknownEncoding,
    /// The sender went away or took too long.
    Broken,
}

/// The body, inflated if it is gzip, of at most `limit` bytes.
pub(super) async fn read(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Vec<u8>, BodyError> {
    let encoding = request.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim());
    let sink = match encoding {
        None | Some("" | "identity") => Sink::Plain(Capped::new(limit)),
        Some("gzip" | "x-gzip") => Sink::Gzip(Box::new(MultiGzDecoder::new(Capped::new(limit)))),
        Some(_) => return Err(BodyError::UnknownEncoding),
    };
    timeout(BODY_TIME, collect(payload, sink, limit)).await.unwrap_or(Err(BodyError::Broken))
}

async fn collect(mut payload: web::Payload, mut sink: Sink, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut received = 0_usize;
    let mut verdict = Ok(());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| BodyError::Broken)?;
        received = received.saturating_add(chunk.len());
        if verdict.is_ok() {
            verdict = if received > limit { Err(BodyError::TooLarge) } else { sink.take(&chunk) };
        }
        if received > limit.saturating_add(DRAINED_BYTES) {
            break;
        }
    }
    verdict?;
    sink.finish()
}

enum Sink {
    Plain(Capped),
    Gzip(Box<MultiGzDecoder<Capped>>),
}

impl Sink {
    fn take(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        match self {
            Self::Plain(capped) => capped.write_all(chunk).map_err(|_| BodyError::TooLarge),
            Self::Gzip(decoder) => {
                let written = decoder.write_all(chunk);
                gzip_verdict(written, decoder.get_ref())
            }
        }
    }

    fn finish(self) -> Result<Vec<u8>, BodyError> {
        match self {
            Self::Plain(capped) => Ok(capped.bytes),
            Self::Gzip(mut decoder) => {
                // Checks the trailer: a body that was cut off is an error, not a short body.
                let ended = decoder.try_finish();
                gzip_verdict(ended, decoder.get_ref())?;
                decoder.finish().map(|capped| capped.bytes).map_err(|_| BodyError::BadGzip)
            }
        }
    }
}

fn gzip_verdict(result: std::io::Result<()>, capped: &Capped) -> Result<(), BodyError> {
    match result {
        Ok(()) => Ok(()),
        Err(_) if capped.is_over => Err(BodyError::TooLarge),
        Err(_) => Err(BodyError::BadGzip),
    }
}

/// Bytes up to a limit; more is an error at once, however much a few of them would inflate to.
struct Capped {
    bytes: Vec<u8>,
    limit: usize,
    is_over: bool,
}

impl Capped {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, is_over: false }
    }
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.limit - self.bytes.len() {
            self.is_over = true;
            return Err(std::io::Error::other("larger than allowed"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(compressed: &[u8], limit: usize, step: usize) -> Result<Vec<u8>, BodyError> {
        let mut sink = Sink::Gzip(Box::new(MultiGzDecoder::new(Capped::new(limit))));
        for chunk in compressed.chunks(step) {
            sink.take(chunk)?;
        }
        sink.finish()
    }

    #[test]
    fn gzip_is_inflated_up_to_the_limit_and_no_further() {
        let text = b"tide".repeat(1_000);
        let compressed = gzip(&text);
        for step in [1, 7, compressed.len()] {
            assert_eq!(inflate(&compressed, 4_000, step), Ok(text.clone()));
            assert_eq!(inflate(&compressed, 3_999, step), Err(BodyError::TooLarge));
        }
        assert_eq!(inflate(&gzip(&vec![0; 50_000_000]), 32_768, 1_000), Err(BodyError::TooLarge));
    }

    #[test]
    fn broken_gzip_is_told_from_short_bodies() {
        let compressed = gzip(b"tidewater");
        for end in 1..compressed.len() {
            assert_eq!(inflate(&compressed[..end], 100, 3), Err(BodyError::BadGzip), "cut at {end}");
        }
        assert_eq!(inflate(b"not gzip at all, just text", 100, 100), Err(BodyError::BadGzip));
    }
}
