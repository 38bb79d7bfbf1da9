//! Reading a body within bounds: of what comes over the wire, of what it inflates to, of what all bodies take together, and
//! of time.

use std::io::Write;
use std::time::Duration;

use actix_web::http::header;
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, web};
use flate2::write::MultiGzDecoder;
use futures_util::StreamExt;

use super::room::Place;

/// How long a sender may take over one body.
const BODY_TIME: Duration = Duration::from_secs(30);
/// Bytes beyond the limit that are read and thrown away, so that a sender in full flow hears the answer rather than a
/// broken connection.
const DRAINED_BYTES: usize = 16 * 1024 * 1024;

/// Why a body could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    TooLarge,
    /// All that arrives at the moment takes as much as it may.
    NoRoom,
    BadGzip,
    /// `Content-Encoding` names something else than gzip.
    UnknownEncoding,
    /// The sender went away or took too long.
    Broken,
}

/// The body, inflated if it is gzip, of at most `limit` bytes: for those whom we know.
pub(super) async fn read(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Vec<u8>, BodyError> {
    read_into(request, payload, Capped::new(limit, None)).await
}

/// The same within the room that all bodies have: for those who may be anybody.
pub(super) async fn read_within(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
    place: &mut Place<'_>,
) -> Result<Vec<u8>, BodyError> {
    read_into(request, payload, Capped::new(limit, Some(place))).await
}

/// Reads a body that is not looked at, so that its sender hears the answer.
pub(super) async fn throw_away(mut payload: web::Payload, limit: usize) {
    let mut received = 0_usize;
    let rest = async {
        while let Some(Ok(chunk)) = payload.next().await {
            received = received.saturating_add(chunk.len());
            if received > limit {
                break;
            }
        }
    };
    // Who is as slow as that does not hear it.
    let _ = timeout(BODY_TIME, rest).await;
}

async fn read_into(request: &HttpRequest, payload: web::Payload, capped: Capped<'_, '_>) -> Result<Vec<u8>, BodyError> {
    let encoding = request.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim());
    let limit = capped.limit;
    let sink = match encoding {
        None | Some("" | "identity") => Sink::Plain(capped),
        Some("gzip" | "x-gzip") => Sink::Gzip(Box::new(MultiGzDecoder::new(capped))),
        Some(_) => return Err(BodyError::UnknownEncoding),
    };
    timeout(BODY_TIME, collect(payload, sink, limit)).await.unwrap_or(Err(BodyError::Broken))
}

async fn collect(mut payload: web::Payload, mut sink: Sink<'_, '_>, limit: usize) -> Result<Vec<u8>, BodyError> {
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

enum Sink<'a, 'room> {
    Plain(Capped<'a, 'room>),
    Gzip(Box<MultiGzDecoder<Capped<'a, 'room>>>),
}

impl Sink<'_, '_> {
    fn take(&mut self, chunk: &[u8]) -> Result<(), BodyError> {
        match self {
            Self::Plain(capped) => {
                let written = capped.write_all(chunk);
                verdict(written, capped)
            }
            Self::Gzip(decoder) => {
                let written = decoder.write_all(chunk);
                verdict(written, decoder.get_ref())
            }
        }
    }

    fn finish(self) -> Result<Vec<u8>, BodyError> {
        match self {
            Self::Plain(capped) => Ok(capped.bytes),
            Self::Gzip(mut decoder) => {
                // Checks the trailer: a body that was cut off is an error, not a short body.
                let ended = decoder.try_finish();
                verdict(ended, decoder.get_ref())?;
                decoder.finish().map(|capped| capped.bytes).map_err(|_| BodyError::BadGzip)
            }
        }
    }
}

fn verdict(result: std::io::Result<()>, capped: &Capped<'_, '_>) -> Result<(), BodyError> {
    match (result, capped.over) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(Over::Limit)) => Err(BodyError::TooLarge),
        (Err(_), Some(Over::Room)) => Err(BodyError::NoRoom),
        (Err(_), None) => Err(BodyError::BadGzip),
    }
}

/// Bytes up to a limit; more is an error at once, however much a few of them would inflate to.
struct Capped<'a, 'room> {
    bytes: Vec<u8>,
    limit: usize,
    place: Option<&'a mut Place<'room>>,
    over: Option<Over>,
}

/// Which bound was met.
#[derive(Debug, Clone, Copy)]
enum Over {
    Limit,
    Room,
}

impl<'a, 'room> Capped<'a, 'room> {
    fn new(limit: usize, place: Option<&'a mut Place<'room>>) -> Self {
        Self { bytes: Vec::new(), limit, place, over: None }
    }

    /// Makes room for more, for half as much again at least.
    fn grow(&mut self, more: usize) -> Result<(), Over> {
        let needed = self.bytes.len() + more;
        if needed > self.limit {
            return Err(Over::Limit);
        }
        if needed > self.bytes.capacity() {
            let capacity = needed.max(self.bytes.capacity() / 2 * 3).min(self.limit);
            if self.place.as_mut().is_some_and(|place| !place.grow(capacity)) {
                return Err(Over::Room);
            }
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        Ok(())
    }
}

impl Write for Capped<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Err(over) = self.grow(bytes.len()) {
            self.over = Some(over);
            // The rest is read for the sender's sake alone, which may take long.
            self.bytes = Vec::new();
            if let Some(place) = &mut self.place {
                place.empty();
            }
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
        let mut sink = Sink::Gzip(Box::new(MultiGzDecoder::new(Capped::new(limit, None))));
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
