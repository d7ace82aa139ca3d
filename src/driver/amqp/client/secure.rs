//! TLS around the socket to the broker.
//!
//! The client library polls the socket by edges: it reads until nothing is there, and waits to write only while it has
//! something to write. So nothing that it has handed over may still wait here when it learns that all is written:
//! what does not fit into the socket is not yet taken from its point of view, and it comes again with the same bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::TcpStream as Socket;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// How much is encrypted at once: four records of TLS.
const CHUNK: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Secure {
    tls: ClientConnection,
    socket: TcpStream,
    /// So many bytes are encrypted already, and not all of them are in the socket.
    under_way: usize,
}

impl Secure {
    /// Makes sure of the peer. It waits; a caller that may not wait for ever shuts the socket down from another thread.
    ///
    /// # Errors
    /// The peer is not the one, has no TLS, or went away. What TLS says is within the error.
    pub(super) fn shake_hands(
        mut socket: Socket,
        config: ClientConfig,
        host: ServerName<'static>,
    ) -> io::Result<Self> {
        let invalid = |cause| io::Error::new(ErrorKind::InvalidInput, cause);
        let mut tls = ClientConnection::new(Arc::new(config), host).map_err(invalid)?;
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut socket) {
                return Err(last_words(&mut tls, &mut socket, error));
            }
        }
        Ok(Self { tls, socket: TcpStream::from_stream(socket)?, under_way: 0 })
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

impl Secure {
    /// Encrypts the next bytes, unless some are under way, and brings all into the socket.
    fn encrypt(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send()?;
        if self.under_way == 0 {
            self.under_way = self.tls.writer().write(&bytes[..bytes.len().min(CHUNK)])?;
            self.send()?;
        }
        Ok(())
    }
}

impl Read for Secure {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(to) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A peer that closes without a word; a frame that it cuts is noticed as such.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if self.tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            let read = self.tls.process_new_packets();
            // An answer of TLS itself, or why we leave. What does not go now goes before the next frame.
            let _ = self.send();
            read.map_err(|cause| io::Error::new(ErrorKind::InvalidData, cause))?;
        }
    }
}

impl Write for Secure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encrypt(bytes).map_err(|error| last_words(&mut self.tls, &mut self.socket, error))?;
        Ok(mem::take(&mut self.under_way))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// Why the peer has ended the connection on which nothing can be written any more, where it has said so.
fn last_words(tls: &mut ClientConnection, socket: &mut impl Read, error: io::Error) -> io::Error {
    if !matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    ) {
        return error;
    }
    while let Ok(1..) = tls.read_tls(socket) {
        if let Err(cause) = tls.process_new_packets() {
            return io::Error::new(ErrorKind::InvalidData, cause);
        }
    }
    error
}

/// A close, as far as it can be sent without waiting.
impl Drop for Secure {
    fn drop(&mut self) {
        self.tls.send_close_notify();
        let _ = self.send();
    }
}
