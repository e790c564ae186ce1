use super::chunk::Chunk;
use super::event::Rules;
pub(super) fn event(_: &mut Chunk, _: &[u8], _: usize, _: Rules) -> bool {
    false
}
