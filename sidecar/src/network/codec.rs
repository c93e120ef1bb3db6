//! One frame each way on a stream: a length in four bytes, most significant first, then as many
//! bytes. Nothing is kept for what was only announced: a length over the bound is refused before
//! anything is read after it, and memory grows with the bytes that have really arrived.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use finp2p_wire::limits::RESPONSE_FRAME_MAX_BYTES;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

use super::admission::Allowance;
use super::counters::Counters;

/// The allowance of the connection that is being established: put there by the gate, taken by
/// the codec that the request-response behaviour clones for that connection right afterwards.
#[derive(Clone, Debug, Default)]
pub(super) struct NextAllowance(Arc<Mutex<Option<Arc<Allowance>>>>);

impl NextAllowance {
    pub(super) fn put(&self, allowance: Arc<Allowance>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(allowance);
    }

    fn take(&self) -> Option<Arc<Allowance>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads and writes frames within the bounds of its connection.
#[derive(Debug)]
pub(super) struct FrameCodec {
    next: NextAllowance,
    /// Of this connection; the behaviour's own copy, which reads nothing, has none.
    allowance: Option<Arc<Allowance>>,
    read_timeout: Duration,
    counters: Arc<Counters>,
}

impl FrameCodec {
    pub(super) fn new(
        next: NextAllowance,
        read_timeout: Duration,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            next,
            allowance: None,
            read_timeout,
            counters,
        }
    }

    async fn read_within_allowance<T>(&self, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let allowance = self.allowance.clone().unwrap_or_default();
        let Some(_reading) = allowance.begin() else {
            return Err(io::ErrorKind::QuotaExceeded.into());
        };
        let frame = read_frame(io, allowance.frame_max_bytes());
        tokio::time::timeout(self.read_timeout, frame)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Counted here because the behaviour does not report a request that it could not read.
    fn count_refusal(&self, kind: io::ErrorKind) {
        let counter = match kind {
            io::ErrorKind::FileTooLarge => &self.counters.requests_too_large,
            io::ErrorKind::TimedOut => &self.counters.requests_too_slow,
            _ => &self.counters.requests_broken,
        };
        counter.add_one();
    }
}

impl Clone for FrameCodec {
    /// A connection's codec takes the allowance that waits for it; a stream's shares its
    /// connection's.
    fn clone(&self) -> Self {
        Self {
            next: self.next.clone(),
            allowance: self.allowance.clone().or_else(|| self.next.take()),
            read_timeout: self.read_timeout,
            counters: Arc::clone(&self.counters),
        }
    }
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let read = self.read_within_allowance(io).await;
        if let Err(error) = &read {
            self.count_refusal(error.kind());
        }
        read
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        // The behaviour's timeout bounds the whole exchange.
        read_frame(io, RESPONSE_FRAME_MAX_BYTES).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &response).await
    }
}

/// Reads one frame of 1 to `max` bytes.
///
/// Errors: `FileTooLarge` over the bound, `InvalidData` for an empty frame, `UnexpectedEof` when
/// the stream ends before the announced length.
async fn read_frame<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let announced = u64::from(u32::from_be_bytes(length));
    if announced > max as u64 {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    if announced == 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = Vec::new();
    io.take(announced).read_to_end(&mut frame).await?;
    if frame.len() as u64 == announced {
        Ok(frame)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Writes one frame with one write, so that it costs one packet where it can.
async fn write_frame<T: AsyncWrite + Unpin + Send>(io: &mut T, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = Vec::with_capacity(frame.len().saturating_add(4));
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(frame);
    io.write_all(&bytes).await?;
    io.flush().await
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    /// Gives its bytes in steps of one and counts how many were taken.
    struct Trickle {
        bytes: Vec<u8>,
        taken: usize,
    }

    impl Trickle {
        fn announcing(length: u32, body: usize) -> Self {
            let mut bytes = length.to_be_bytes().to_vec();
            bytes.resize(4 + body, 7);
            Self { bytes, taken: 0 }
        }
    }

    impl AsyncRead for Trickle {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            let Some(byte) = self.bytes.get(self.taken).copied() else {
                return Poll::Ready(Ok(0));
            };
            self.taken += 1;
            buffer[0] = byte;
            Poll::Ready(Ok(1))
        }
    }

    fn read(io: &mut Trickle, max: usize) -> io::Result<Vec<u8>> {
        futures::executor::block_on(read_frame(io, max))
    }

    #[test]
    fn refuses_a_length_over_the_bound_before_it_reads_on() {
        for announced in [101, 65_537, u32::MAX] {
            let mut io = Trickle::announcing(announced, 1000);
            let refused = read(&mut io, 100).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::FileTooLarge);
            assert_eq!(io.taken, 4);
        }
    }

    #[test]
    fn reads_a_frame_of_exactly_the_bound_and_not_what_follows() {
        let mut io = Trickle::announcing(100, 150);
        assert_eq!(read(&mut io, 100).unwrap(), vec![7; 100]);
        assert_eq!(io.taken, 104);
    }

    #[test]
    fn refuses_an_empty_frame_and_one_that_ends_early() {
        let kind = |announced, body| {
            read(&mut Trickle::announcing(announced, body), 100)
                .unwrap_err()
                .kind()
        };
        assert_eq!(kind(0, 0), io::ErrorKind::InvalidData);
        assert_eq!(kind(10, 9), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn keeps_memory_in_step_with_what_has_arrived() {
        let mut frame = Vec::new();
        let mut io = Trickle::announcing(0, 10);
        let arrived = futures::executor::block_on((&mut io).take(1 << 20).read_to_end(&mut frame));
        assert_eq!(arrived.unwrap(), 14);
        assert!(frame.capacity() < 1024, "{} bytes for 14", frame.capacity());
    }

    #[test]
    fn reads_back_what_it_writes() {
        let mut wire = futures::io::Cursor::new(Vec::new());
        futures::executor::block_on(write_frame(&mut wire, b"hello")).unwrap();
        let mut io = Trickle {
            bytes: wire.into_inner(),
            taken: 0,
        };
        assert_eq!(read(&mut io, 5).unwrap(), b"hello");
    }

    #[test]
    fn hands_a_connection_its_own_allowance_and_a_stream_that_of_its_connection() {
        let next = NextAllowance::default();
        let behaviours = FrameCodec::new(next.clone(), Duration::from_secs(1), Arc::default());
        let given = Arc::new(Allowance::default());
        next.put(Arc::clone(&given));
        let connection = behaviours.clone();
        assert!(Arc::ptr_eq(connection.allowance.as_ref().unwrap(), &given));
        let stream = connection.clone();
        assert!(Arc::ptr_eq(stream.allowance.as_ref().unwrap(), &given));
        assert!(behaviours.clone().allowance.is_none());
    }
}
