//! A Places service that does exactly what a test says, on a raw socket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What the stub does with a request.
#[derive(Clone)]
pub(crate) enum Does {
    /// Answers with a status and a body.
    Answer(u16, Vec<u8>),
    /// Answers so once the test lets it, see [`Stub::let_one_through`].
    Wait(Vec<u8>),
    /// Says nothing, ever.
    Hang,
    /// Promises more than it sends and closes.
    CutOff,
    /// Closes at once.
    Close,
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
}

/// A Places service.
pub(crate) struct Stub {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    through: Arc<Semaphore>,
    serving: JoinHandle<()>,
}

impl Stub {
    /// A service that does the same with every request.
    pub(crate) async fn always(does: Does) -> Self {
        Self::by_request(move |_| does.clone()).await
    }

    /// A service that does what `does` says of each request's first line.
    pub(crate) async fn by_request(does: impl Fn(&str) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let through = Arc::new(Semaphore::new(0));
        let does = Arc::new(does);
        let (seen, gate) = (Arc::clone(&requests), Arc::clone(&through));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (does, seen, gate) = (Arc::clone(&does), Arc::clone(&seen), Arc::clone(&gate));
                tokio::spawn(async move {
                    // Whoever asked may be gone; the test sees what became of it elsewhere.
                    let _ = serve(stream, &*does, &seen, &gate).await;
                });
            }
        });
        Self { address, requests, through, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets one request through that waits.
    pub(crate) fn let_one_through(&self) {
        self.through.add_permits(1);
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    does: &(dyn Fn(&str) -> Does + Send + Sync),
    seen: &Mutex<Vec<String>>,
    gate: &Semaphore,
) -> std::io::Result<()> {
    let mut input = Vec::new();
    loop {
        while !input.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut input).await? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8(std::mem::take(&mut input)).unwrap();
        let does = does(head.lines().next().unwrap());
        seen.lock().unwrap().push(head);
        match does {
            Does::Answer(status, body) => stream.write_all(&response(status, &body)).await?,
            Does::Wait(body) => {
                gate.acquire().await.unwrap().forget();
                stream.write_all(&response(200, &body)).await?;
            }
            Does::Hang => std::future::pending().await,
            Does::CutOff => return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{").await,
            Does::Close => return Ok(()),
            Does::Raw(bytes) => return stream.write_all(&bytes).await,
        }
    }
}

fn response(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}
