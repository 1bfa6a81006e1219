//! A way to the server that can be broken.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What happens to the next bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// They pass.
    None,
    /// What the client sends next is lost, and the connection with it.
    LoseRequest,
    /// What the server sends next is lost, and the connection with it.
    LoseAnswer,
    /// Every connection is closed at once, as if no server were there.
    Refuse,
}

/// A proxy before the server.
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
    listener: AbortHandle,
}

#[derive(Default)]
struct Shared {
    fault: AtomicU8,
    accepted: AtomicUsize,
    connections: Mutex<Vec<AbortHandle>>,
}

impl Proxy {
    /// Begins to listen.
    pub async fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let with = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if with.fault() == Fault::Refuse {
                    continue;
                }
                with.accepted.fetch_add(1, Ordering::SeqCst);
                let connection = tokio::spawn(carry(client, server.clone(), Arc::clone(&with)));
                with.connections.lock().unwrap().push(connection.abort_handle());
            }
        });
        Self { port, shared, listener: task.abort_handle() }
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// Sets what happens to the next bytes.
    pub fn set(&self, fault: Fault) {
        self.shared.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// How many connections there were.
    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.cut();
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        let faults = [Fault::None, Fault::LoseRequest, Fault::LoseAnswer, Fault::Refuse];
        faults[usize::from(self.fault.load(Ordering::SeqCst))]
    }

    /// Whether these bytes are to be lost; a fault happens once.
    fn loses(&self, fault: Fault) -> bool {
        let (from, to) = (fault as u8, Fault::None as u8);
        self.fault.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

async fn carry(mut client: TcpStream, server: String, shared: Arc<Shared>) {
    let mut server = TcpStream::connect(server).await.unwrap();
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read {
                Ok(length) if length > 0 && !shared.loses(Fault::LoseRequest) => {
                    if server.write_all(&up[..length]).await.is_err() { return }
                }
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(length) if length > 0 && !shared.loses(Fault::LoseAnswer) => {
                    if client.write_all(&down[..length]).await.is_err() { return }
                }
                _ => return,
            },
        }
    }
}
