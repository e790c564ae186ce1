//! Faults of the machine that a server runs on: of its clock and of its disk.
//!
//! Servers share the machine with all other processes. A server therefore gets a clock and a disk of its own when it
//! starts, but only if the plan needs them. Otherwise it runs as it would anywhere.

use super::{Control, Disk, Preload};
use crate::FaultEvidence;
use std::collections::BTreeMap;
use std::path::Path;
use workloads::{Fault, Plan};

/// What the machines of a run need. The default is nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MachineNeeds {
    /// Whether servers load a library, for faults of clocks and slow disks.
    pub preload: bool,
    /// Whether servers have their own disks, for full disks.
    pub disks: bool,
}

impl MachineNeeds {
    /// What the faults of a plan need.
    pub fn for_plan(plan: &Plan) -> Self {
        let mut needs = Self::default();
        for episode in &plan.episodes {
            match episode.fault {
                Fault::Skew { .. } | Fault::SlowDisk { .. } => needs.preload = true,
                Fault::FullDisk => needs.disks = true,
                _ => {}
            }
        }
        needs
    }
}

/// What the machines of a run share. It must stay on the thread that starts the servers.
#[derive(Debug)]
pub struct Machines {
    needs: MachineNeeds,
    preload: Option<Preload>,
}

impl Machines {
    /// Prepares what is needed, in a folder.
    pub fn prepare(needs: MachineNeeds, folder: &Path) -> Result<Self, String> {
        let preload = if needs.preload {
            let why = |why| format!("skew and slow-disk cannot be caused: {why}");
            Some(Preload::build(folder).map_err(why)?)
        } else {
            None
        };
        if needs.disks {
            Disk::isolate_mounts().map_err(|why| format!("full-disk cannot be caused: {why}"))?;
        }
        Ok(Self { needs, preload })
    }

    /// Creates the machine of a server that keeps its files in this folder, which must be empty.
    pub fn machine_for(&self, home: &Path) -> Result<Machine, String> {
        let disk = if self.needs.disks {
            let why = |why| format!("full-disk cannot be caused: {why}");
            Some(Disk::mount(home).map_err(why)?)
        } else {
            None
        };
        // The file is next to the folder and not in it, because a full disk would have no space for it.
        let control =
            self.preload.as_ref().map(|preload| preload.create_control(home.with_extension("control")));
        Ok(Machine { control: control.transpose()?, disk, on: BTreeMap::new() })
    }
}

/// One machine and its active faults.
#[derive(Debug)]
pub struct Machine {
    control: Option<Control>,
    disk: Option<Disk>,
    /// Faults by the number of their episode, with how long writes had waited when each began, in ns.
    on: BTreeMap<usize, (Fault, u64)>,
}

impl Machine {
    /// Whether a fault is a fault of a machine.
    pub fn is_machine_fault(fault: Fault) -> bool {
        matches!(fault, Fault::Skew { .. } | Fault::SlowDisk { .. } | Fault::FullDisk)
    }

    /// The environment variables that its servers need.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.control.as_ref().map(Control::environment).unwrap_or_default()
    }

    /// Begins a fault.
    pub fn strike(&mut self, number: usize, fault: Fault) -> Result<(), String> {
        let waited_ns = self.disk_waited_ns();
        self.on.insert(number, (fault, waited_ns));
        self.apply_active_faults(fault)
    }

    /// Ends a fault. Other active faults stay in force.
    pub fn heal(&mut self, number: usize) -> Result<(), String> {
        match self.on.remove(&number) {
            Some((fault, _)) => self.apply_active_faults(fault),
            None => Ok(()),
        }
    }

    /// The offset that the active faults give to the clock of its servers, in ns.
    pub fn clock_offset_ns(&self) -> i64 {
        let offset = |on: &Fault| if let Fault::Skew { offset_ns } = on { *offset_ns } else { 0 };
        self.on.values().map(|(on, _)| offset(on)).sum()
    }

    fn disk_waited_ns(&self) -> u64 {
        self.control.as_ref().and_then(|control| control.disk_waited_ns().ok()).unwrap_or(0)
    }

    /// Evidence for a fault of the disk; `None` for a fault of the clock, which only the server itself can show. `node` is the
    /// name of the machine.
    pub(crate) fn disk_evidence(&self, number: usize, node: &str) -> Option<FaultEvidence> {
        match self.on.get(&number)? {
            (Fault::FullDisk, _) => {
                let full = self.disk.as_ref()?.is_full().ok()?;
                let how = if full { "there is no room for a file" } else { "there is room for a file" };
                Some(FaultEvidence { in_force: full, how: format!("{node}: {how}") })
            }
            (Fault::SlowDisk { .. }, before_ns) => {
                let waited_ms = self.disk_waited_ns().saturating_sub(*before_ns) / 1_000_000;
                let how = format!("{node}: its writes waited {waited_ms} ms in total");
                Some(FaultEvidence { in_force: waited_ms > 0, how })
            }
            _ => None,
        }
    }

    /// Applies the combined effect of all active faults of this kind.
    fn apply_active_faults(&self, fault: Fault) -> Result<(), String> {
        let unprepared = || format!("{fault} was not prepared for");
        match fault {
            Fault::FullDisk => {
                let disk = self.disk.as_ref().ok_or_else(unprepared)?;
                if self.on.values().any(|(on, _)| *on == Fault::FullDisk) {
                    disk.fill()
                } else {
                    disk.empty()
                }
            }
            Fault::Skew { .. } => {
                let control = self.control.as_ref().ok_or_else(unprepared)?;
                control.set_clock_offset_ns(self.clock_offset_ns())
            }
            Fault::SlowDisk { .. } => {
                let rate = |on: &Fault| if let Fault::SlowDisk { rate } = on { Some(*rate) } else { None };
                let control = self.control.as_ref().ok_or_else(unprepared)?;
                control.set_disk_rate(self.on.values().filter_map(|(on, _)| rate(on)).min())
            }
            other => Err(format!("{other} is no fault of a machine")),
        }
    }
}
