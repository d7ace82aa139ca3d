//! Child processes: lines through a pipe and back, ten at a time; and programs that do nothing.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Figure, PAYLOAD, Result};

/// The argument by which a child knows that it is one.
pub const ECHO: &str = "echo";

const A_WRITE: usize = 10;

pub fn measure() -> Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg(ECHO)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (input, output) = child.stdin.take().zip(child.stdout.take()).ok_or("the child has no pipes")?;
    let (mut input, mut output) = (BufWriter::new(input), BufReader::new(output));
    let mut line = String::new();
    let (jobs, start) = (200_000, Instant::now());
    for _ in 0..jobs / A_WRITE {
        (0..A_WRITE).try_for_each(|_| writeln!(input, "{PAYLOAD}"))?;
        input.flush()?;
        for _ in 0..A_WRITE {
            line.clear();
            output.read_line(&mut line)?;
        }
    }
    Figure { backend: "async-processes", workload: "push_and_run", threads: 1, jobs, start }.tell();
    drop(input);
    child.wait()?;
    Ok(())
}

/// The child: says what it hears.
pub fn echo() -> Result<()> {
    let (mut input, mut output) =
        (BufReader::new(std::io::stdin().lock()), BufWriter::new(std::io::stdout().lock()));
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        output.write_all(line.as_bytes())?;
        line.clear();
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
    Ok(())
}

/// Two threads that start a program and wait for its end, again and again.
pub fn spawn() -> Result<()> {
    let (threads, jobs) = (2, 2_000);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let run = || (0..jobs / threads).try_for_each(|_| Command::new("true").status().map(drop));
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    Figure { backend: "programs", workload: "drain", threads, jobs, start }.tell();
    Ok(())
}
