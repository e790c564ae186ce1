//! Zstandard without C, for WebAssembly: frames one after the other, each with its checksum.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, BufReader, Read};

/// Decodes a file of any number of frames. Skippable frames are skipped. A frame with a window of more than 128 MiB is refused.
pub(super) struct ZstdFrames<R: Read> {
    source: BufReader<R>,
    decoder: FrameDecoder,
    is_in_frame: bool,
}

impl<R: Read> ZstdFrames<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source: BufReader::new(source), decoder: FrameDecoder::new(), is_in_frame: false }
    }

    /// Begins the next frame. `false` at the end of the file.
    fn begin_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.init(&mut self.source) {
                Ok(()) => {
                    self.is_in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                    if skipped < length.into() {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(why) => return Err(damaged(why)),
            }
        }
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.is_in_frame = false;
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(written), Some(found)) if written != found => {
                Err(damaged("the checksum of a frame differs"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: Read> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.is_in_frame && self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.is_in_frame && !self.decoder.is_finished() {
                let blocks =
                    self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1));
                blocks.map_err(damaged)?;
            } else if self.is_in_frame {
                self.end_frame()?;
            } else if !self.begin_frame()? {
                return Ok(0);
            }
        }
    }
}

fn damaged(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("is damaged Zstandard data: {}", why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::ZstdFrames;
    use std::io::Read;

    fn decode(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut found = Vec::new();
        ZstdFrames::new(bytes).read_to_end(&mut found)?;
        Ok(found)
    }

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("memory");
        encoder.include_checksum(true).expect("it can");
        std::io::copy(&mut &*bytes, &mut encoder).expect("memory");
        encoder.finish().expect("memory")
    }

    /// The other decoder is the one of the program, in C.
    #[test]
    fn frames_of_any_size_are_decoded_one_after_the_other() {
        let mut file = Vec::new();
        let mut expected = Vec::new();
        for size in [0u32, 1, 1000, 300_000] {
            let text: Vec<u8> = (0..size).flat_map(|at| (at / 3 * 7919).to_string().into_bytes()).collect();
            file.extend(frame(&text));
            // A frame that says how long it is, and is to be skipped.
            file.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
            expected.extend(text);
        }
        assert_eq!(decode(&file).expect("whole frames"), expected);
        let mut by_c = Vec::new();
        zstd::stream::read::Decoder::new(&*file)
            .expect("frames")
            .read_to_end(&mut by_c)
            .expect("whole frames");
        assert_eq!(by_c, expected);
        assert!(decode(&[]).expect("nothing").is_empty());
    }

    #[test]
    fn damage_is_noticed_wherever_it_is() {
        let text: Vec<u8> = (0..400u32).flat_map(|at| (at * at).to_string().into_bytes()).collect();
        let whole = frame(&text);
        for end in 1..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "cut off after {end} bytes");
        }
        for at in 6..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            assert!(decode(&changed).map_or(true, |found| found == text), "byte {at} changed");
        }
    }
}
