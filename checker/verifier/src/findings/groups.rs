//! Operations by key, value or session, in one list with the place at which each group begins.
//!
//! A map with a list for each value asks the allocator for millions of small pieces. Ids are dense, so two arrays do.

use histories::OpId;

/// Operations by the number of their group, each group in the order in which it was given.
#[derive(Default)]
pub(super) struct OperationGroups {
    starts: Vec<u32>,
    members: Vec<OpId>,
}

impl OperationGroups {
    /// Groups operations. O(groups + pairs).
    pub(super) fn from_pairs(pairs: &[(usize, OpId)]) -> Self {
        let count = pairs.iter().map(|pair| pair.0 + 1).max().unwrap_or(0);
        let mut starts = vec![0_u32; count + 1];
        pairs.iter().for_each(|pair| starts[pair.0 + 1] += 1);
        for group in 0..count {
            starts[group + 1] += starts[group];
        }
        let mut next = starts.clone();
        let mut members = vec![OpId::from_raw(0); pairs.len()];
        for &(group, id) in pairs {
            members[next[group] as usize] = id;
            next[group] += 1;
        }
        Self { starts, members }
    }

    /// The operations of a group; none if there is no such group.
    pub(super) fn of(&self, group: usize) -> &[OpId] {
        match self.starts.get(group..group + 2) {
            Some(&[start, end]) => &self.members[start as usize..end as usize],
            _ => &[],
        }
    }

    /// The number of groups, including empty ones.
    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_what_was_given() {
        let id = OpId::from_raw;
        let groups = OperationGroups::from_pairs(&[(3, id(0)), (1, id(1)), (3, id(2))]);
        assert_eq!((groups.of(3), groups.of(1)), (&[id(0), id(2)][..], &[id(1)][..]));
        assert_eq!((groups.of(0), groups.of(4), groups.len()), (&[][..], &[][..], 4));
        assert_eq!(
            (OperationGroups::from_pairs(&[]).of(0), OperationGroups::default().of(7)),
            (&[][..], &[][..])
        );
    }
}
