//! As much of HTTP as the example `crawler` and its server need.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Error;

/// Asks for a page. Returns what the server answers.
pub(crate) async fn request(stream: &mut BufReader<TcpStream>, url: &str) -> Result<String, Error> {
    stream.write_all(format!("GET http://{url} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let head = read_head(stream).await?;
    let mut numbers = head.split_whitespace().filter_map(|word| word.parse().ok());
    let (status, length) = numbers.next().zip(numbers.next()).unwrap_or_default();
    let mut body = String::new();
    stream.take(length).read_to_string(&mut body).await?;
    match body.len() as u64 {
        read if read < length => Err(Error::Cut(read, length)),
        _ if status != 200 => Err(Error::Status(status)),
        _ => Ok(body),
    }
}

/// Reads the lines up to the first that is empty.
pub(super) async fn read_head(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await? > 0 {}
    Ok(head)
}

/// Announces a page of some length, and sends it or its begin.
pub(super) async fn respond(
    stream: &mut BufReader<TcpStream>,
    status: u16,
    length: usize,
    body: &str,
) -> io::Result<()> {
    stream.write_all(format!("HTTP/1.0 {status} .\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes()).await
}
