//! Who does not hear whom, for each shape of partition: the same for simulated and for real networks.

use workloads::Fault;

/// Whether a fault that struck these nodes cuts the way from one node to another, of `count` in all.
pub(crate) fn cuts(fault: Fault, struck: &[usize], from: usize, to: usize, count: usize) -> bool {
    let is_struck = |node: usize| struck.contains(&node);
    match fault {
        Fault::Partition => is_struck(from) != is_struck(to),
        Fault::OneWay => is_struck(to) && !is_struck(from),
        Fault::Bridge => {
            let bridge = struck.first().copied().unwrap_or(0);
            let half = |node: usize| (node + count - bridge) % count <= count / 2;
            from != bridge && to != bridge && half(from) != half(to)
        }
        Fault::MajoritiesRing => {
            let steps = (from + count - to) % count;
            let reach = (count / 2).div_ceil(2);
            steps.min(count - steps) > reach
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line for each sender, one sign for each receiver.
    fn drawn(fault: Fault, struck: &[usize], count: usize) -> Vec<String> {
        let sign = |from, to| if cuts(fault, struck, from, to, count) { '.' } else { 'x' };
        (0..count).map(|from| (0..count).map(|to| sign(from, to)).collect()).collect()
    }

    #[test]
    fn each_shape_as_drawn() {
        assert_eq!(drawn(Fault::Partition, &[0], 3), ["x..", ".xx", ".xx"]);
        assert_eq!(drawn(Fault::OneWay, &[0], 3), ["xxx", ".xx", ".xx"]);
        assert_eq!(drawn(Fault::Bridge, &[1], 5), ["xx..x", "xxxxx", ".xxx.", ".xxx.", "xx..x"]);
        assert_eq!(drawn(Fault::MajoritiesRing, &[], 5), ["xx..x", "xxx..", ".xxx.", "..xxx", "x..xx"]);
        assert_eq!(drawn(Fault::Kill, &[0], 2), ["xx", "xx"]);
    }
}
