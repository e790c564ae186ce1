//! The loop that keeps blocks of a file in flight.

use super::blocks::{BlockReader, TextBlock};
use rayon::prelude::*;
use std::io::{self, Read};

/// Parses blocks and adds what they say, in order. Three batches are in flight: one is read, one is parsed, one is
/// added.
pub(super) fn stream_blocks<R: Read + Send, P: Send>(
    mut blocks: BlockReader<R>,
    parse: impl Fn(TextBlock) -> P + Sync,
    mut add: impl FnMut(P) + Send,
    progress: &dyn Fn(),
) -> io::Result<()> {
    let batch_len = rayon::current_num_threads() * 2;
    let mut ready = read_batch(&mut blocks, 1)?;
    let mut parsed: Vec<P> = Vec::new();
    while !ready.is_empty() || !parsed.is_empty() {
        if ready.iter().any(|block| block.last) && ready.len() + parsed.len() < 3 {
            // A small file: no need to wake other threads.
            parsed.drain(..).for_each(&mut add);
            ready.into_iter().for_each(|block| add(parse(block)));
            break;
        }
        let (next, done) = rayon::join(
            || {
                parsed.drain(..).for_each(&mut add);
                read_batch(&mut blocks, batch_len)
            },
            || ready.into_par_iter().map(&parse).collect::<Vec<_>>(),
        );
        (ready, parsed) = (next?, done);
        progress();
    }
    progress();
    Ok(())
}

fn read_batch<R: Read>(blocks: &mut BlockReader<R>, len: usize) -> io::Result<Vec<TextBlock>> {
    let mut batch = Vec::with_capacity(len);
    while batch.len() < len {
        match blocks.next_block()? {
            Some(block) => batch.push(block),
            None => break,
        }
    }
    Ok(batch)
}
