//! The loop that streams the blocks of a file through parsing threads.
//!
//! One thread reads blocks and adds what was parsed, in the order of the file; the others parse. If all threads met after
//! each few blocks, the fastest would wait for the slowest each time. So the blocks in flight are a queue: the thread
//! that adds takes the first as soon as it was parsed, and parses one itself if it was not.

use super::blocks::{BlockReader, TextBlock};
use rayon::{ScopeFifo, Yield};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

/// The number of blocks from one call of `progress` to the next. All threads meet there.
const ROUND_BLOCKS: usize = 64;

/// Parses blocks in parallel, and passes the results to `add` in order. At most three blocks for each thread are in
/// memory.
pub(super) fn stream_blocks<R: Read + Send, P: Send>(
    mut blocks: BlockReader<R>,
    parse: impl Fn(TextBlock) -> P + Sync,
    mut add: impl FnMut(P) + Send,
    progress: &dyn Fn(),
) -> io::Result<()> {
    let Some(first) = blocks.next_block()? else {
        progress();
        return Ok(());
    };
    let ended = first.last;
    // A small file is not worth waking other threads.
    add(parse(first));
    let mut queue = BlockQueue { blocks, ended, parsing: VecDeque::new() };
    while !queue.ended || !queue.parsing.is_empty() {
        rayon::scope_fifo(|scope| queue.run_round(scope, &parse, &mut add))?;
        progress();
    }
    progress();
    Ok(())
}

/// The blocks in flight, in the order of the file.
struct BlockQueue<R, P> {
    blocks: BlockReader<R>,
    ended: bool,
    /// Where each block arrives when it was parsed.
    parsing: VecDeque<Receiver<P>>,
}

impl<R: Read, P: Send> BlockQueue<R, P> {
    /// Adds some blocks. Others may be left that were parsed and not added.
    fn run_round<'scope>(
        &mut self,
        scope: &ScopeFifo<'scope>,
        parse: &'scope (impl Fn(TextBlock) -> P + Sync),
        add: &mut impl FnMut(P),
    ) -> io::Result<()>
    where
        P: 'scope,
    {
        let parsing_max = rayon::current_num_threads() * 3;
        for _ in 0..ROUND_BLOCKS {
            while !self.ended && self.parsing.len() < parsing_max {
                let Some(block) = self.blocks.next_block()? else {
                    self.ended = true;
                    break;
                };
                self.ended = block.last;
                let (sender, receiver) = sync_channel(1);
                scope.spawn_fifo(move |_| _ = sender.send(parse(block)));
                self.parsing.push_back(receiver);
            }
            let Some(parsed) = self.parsing.pop_front().and_then(|first| wait_for_parsed(&first)) else {
                break;
            };
            add(parsed);
        }
        Ok(())
    }
}

/// Waits for a block, and parses others in the meantime. None if parsing it panicked, which the scope passes on.
fn wait_for_parsed<P>(parsed: &Receiver<P>) -> Option<P> {
    loop {
        match parsed.try_recv() {
            Ok(parsed) => return Some(parsed),
            Err(TryRecvError::Disconnected) => return None,
            // Once no block is left to parse, another thread is at work on this one.
            Err(TryRecvError::Empty) => match rayon::yield_now() {
                Some(Yield::Executed) => {}
                Some(Yield::Idle) | None => return parsed.recv().ok(),
            },
        }
    }
}
