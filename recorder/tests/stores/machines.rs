//! A real server on a machine whose clock jumps and whose disk is slow, or full: as the server itself tells.

use recorder::stores::redis::resp::{RespConnection, RespReply};
use recorder::system::{
    Disk, Launch, Machine, MachineNeeds, Machines, Preload, RunFolder, Server, find_program, run_isolated,
};
use std::time::{Duration, Instant, SystemTime};
use workloads::{Fault, Strike};

fn fault(text: &str) -> Fault {
    text.parse::<Strike>().unwrap().fault
}

/// A Redis that writes everything to disk before it answers.
async fn started(machine: &Machine, home: &std::path::Path, port: u16) -> (Server, RespConnection) {
    let words = ["--port", &port.to_string(), "--appendonly", "yes", "--appendfsync", "always", "--save", ""];
    let mut arguments = words.map(str::to_owned).to_vec();
    arguments.extend(["--dir".to_owned(), home.display().to_string()]);
    let program = find_program("redis-server", "redis-server").unwrap();
    let launch = Launch { program, arguments, environment: machine.environment(), ..Launch::default() };
    let server = Server::launch(launch, home.join("log")).unwrap();
    let began = Instant::now();
    loop {
        if let Ok(connection) = RespConnection::open(&format!("127.0.0.1:{port}")).await {
            return (server, connection);
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{}", server.failure_with_log("does not listen"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How far the server's clock is from ours, in seconds.
async fn clock(server: &mut RespConnection) -> f64 {
    let RespReply::Array(Some(parts)) = server.run_command(&["TIME"]).await.unwrap() else {
        panic!("no time")
    };
    let number = |reply: &RespReply| match reply {
        RespReply::Bulk(Some(digits)) => String::from_utf8_lossy(digits).parse::<f64>().unwrap(),
        other => panic!("{other:?}"),
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    number(&parts[0]) + number(&parts[1]) / 1e6 - now
}

#[test]
fn a_server_tells_that_its_clock_jumps_and_its_disk_is_slow_or_full() {
    let may = Preload::probe().and(Disk::probe());
    if let Err(why) =
        may.and(find_program("redis-server", "redis-server").map(drop).map_err(|why| why.to_string()))
    {
        eprintln!("skipped: {why}");
        return;
    }
    run_isolated(|_| async {
        let folder = RunFolder::create().unwrap();
        let machines = Machines::prepare(MachineNeeds { preload: true, disks: true }, folder.path()).unwrap();
        let home = folder.path().join("n1");
        std::fs::create_dir(&home).unwrap();
        let mut machine = machines.machine_for(&home).unwrap();
        let (_server, mut redis) = started(&machine, &home, 6379).await;
        let set = |value: String| ["SET".to_owned(), "k".to_owned(), value].map(String::into_bytes).to_vec();

        // Two at once add up, and what is over is over. A busy machine answers late.
        machine.strike(0, fault("skew=3600s")).unwrap();
        assert!((clock(&mut redis).await - 3600.0).abs() < 5.0);
        machine.strike(1, fault("skew=-86400s")).unwrap();
        assert!((clock(&mut redis).await + 82_800.0).abs() < 5.0);
        machine.heal(0).unwrap();
        machine.heal(1).unwrap();
        assert!(clock(&mut redis).await.abs() < 5.0);

        // Twenty kilobytes at ten a second.
        machine.strike(2, fault("slow-disk=10kB/s")).unwrap();
        let began = Instant::now();
        let answer = redis.run_commands(&[set("x".repeat(20_000))]).await.unwrap();
        assert_eq!(answer, [RespReply::Simple("OK".to_owned())]);
        assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
        machine.heal(2).unwrap();

        // A server that promised to write first and cannot may refuse, or end: it must not say OK.
        machine.strike(3, fault("full-disk")).unwrap();
        let answer = redis.run_commands(&[set("y".repeat(200_000))]).await;
        assert!(!matches!(answer.as_deref(), Ok([RespReply::Simple(_)])), "{answer:?}");
        machine.heal(3).unwrap();
        std::fs::write(home.join("room"), "again").unwrap();
    });
}
