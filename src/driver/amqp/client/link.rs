//! The socket to the broker, with TLS or without.

use std::io::{self, Read, Write};
use std::net::TcpStream as Socket;

use mio::net::TcpStream;
use mio::{Evented, Poll, PollOpt, Ready, Token};

#[cfg(feature = "rustls")]
use super::secure::Secure;

/// What carries the frames.
#[derive(Debug)]
pub(super) enum Link {
    Plain(TcpStream),
    #[cfg(feature = "rustls")]
    Secure(Box<Secure>),
}

impl Link {
    pub(super) fn plain(socket: Socket) -> io::Result<Self> {
        TcpStream::from_stream(socket).map(Self::Plain)
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "rustls")]
            Self::Secure(secure) => secure.socket(),
        }
    }
}

impl Read for Link {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(to),
            #[cfg(feature = "rustls")]
            Self::Secure(secure) => secure.read(to),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            #[cfg(feature = "rustls")]
            Self::Secure(secure) => secure.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            #[cfg(feature = "rustls")]
            Self::Secure(secure) => secure.flush(),
        }
    }
}

impl Evented for Link {
    fn register(&self, poll: &Poll, token: Token, interest: Ready, opts: PollOpt) -> io::Result<()> {
        self.socket().register(poll, token, interest, opts)
    }

    fn reregister(&self, poll: &Poll, token: Token, interest: Ready, opts: PollOpt) -> io::Result<()> {
        self.socket().reregister(poll, token, interest, opts)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        self.socket().deregister(poll)
    }
}
