"""Runs every scenario of every stack on both sides, and writes one Markdown table per stack (docs/stacks.md).

    python3 benches/scenarios.py --program target/release/steadfast --results DIR [STACK..]
    python3 benches/scenarios.py --results DIR --tables [STACK..]     # runs nothing

Needs Python 3.11 and no packages; start it at the root of a checkout. DIR/STACK.jsonl has a line per run with the JSON report of
`steadfast run`; histories are beside it. Delete a line to repeat its run. Seed 1 is run first, and two runs at a time.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import threading
import time
import tomllib

STACKS = ["embedded", "postgres", "memcached", "redis-sentinel", "express-redis"]
SEEDS = [1, 2, 3]
SIDES = {"as it is": [], "fixed": ["--fixed"]}
OBJECTIVES = ["lost-sessions=0", "lost-writes=0", "recovery.max=10s"]  # runs without faults refuse the last one
BARE = ("faults", "stack-option")  # shown without their names
FIGURES = {"recovery_max_seconds": " s", "session_unavailable_max_seconds": " s", "lost_writes": ""}
HEADER = "| scenario and settings | sessions (findings) | recovery max | unavailable max | lost writes | objectives |"
DEADLINE, LATE = "180s", (124, 137)  # the time for one run, and the exit codes of `timeout`
WRITE_LOCK = threading.Lock()


def read_scenarios(stack):
    """The scenarios of a stack: name, options, and options of the cure (None if there is no cure)."""
    for path in sorted(pathlib.Path("workloads/scenarios").glob("*.toml")):
        scenario = tomllib.loads(path.read_text())
        on = scenario.get("on", {}).get(stack)
        if on:
            yield path.stem, {**scenario.get("options", {}), **on.get("options", {})}, on.get("sound")


def run_once(arguments, stack, name, objectives, side, seed):
    # A late run gets a signal first: it undoes its faults and ends its servers within two seconds.
    command = ["timeout", "--kill-after=10s", DEADLINE, arguments.program, "run", stack, "--scenario", name, *SIDES[side]]
    command += ["--seed", str(seed), "--format", "json", "--measure", "--objective", ",".join(objectives)]
    command += ["--output", f"{arguments.results}/{stack}-{name}-{side.replace(' ', '-')}-{seed}.jsonl", "--force", "--quiet"]
    began = time.monotonic()
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(process.stdout) if process.stdout else None
    result = {"scenario": name, "side": side, "seed": seed, "exit": process.returncode, "report": report}
    took = {"seconds": round(time.monotonic() - began, 1), "machine_load": os.getloadavg()[0]}
    with WRITE_LOCK, open(arguments.results / f"{stack}.jsonl", "a") as file:
        file.write(json.dumps({**result, **took, "errors": process.stderr[-2000:]}) + "\n")
    print(f"{stack} {name} ({side}) seed {seed}: exit {process.returncode} in {took['seconds']} s", flush=True)


def run_missing(arguments):
    """Runs what has no line in the results yet."""
    arguments.results.mkdir(parents=True, exist_ok=True)
    done = {stack: read_results(arguments, stack) for stack in arguments.stacks}
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for seed in SEEDS:
            for stack in arguments.stacks:
                for name, options, cure in read_scenarios(stack):
                    for side, settings in zip(SIDES, [options, cure]):
                        if settings is not None and (name, side, seed) not in done[stack]:
                            has_faults = {**options, **settings}.get("faults") != "none"
                            pool.submit(run_once, arguments, stack, name, OBJECTIVES[: 2 + has_faults], side, seed)


def read_results(arguments, stack):
    path = arguments.results / f"{stack}.jsonl"
    runs = map(json.loads, path.read_text().splitlines() if path.exists() else [])
    return {(run["scenario"], run["side"], run["seed"]): run for run in runs}


def describe_settings(options):
    shown, left_out = [], ("workload", "duration", "after-heal", "load", "clients", "operation-timeout")
    for option, value in options.items():
        text = ",".join(value) if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else str(value)
        if option not in left_out and text != "none":
            shown.append(f"no `{option}`" if not text else f"`{text}`" if option in BARE else f"`{option}={text}`")
    return ", ".join(shown)


def describe_figure(report, name):
    value, unit = report["measurements"]["run"][name], FIGURES[name]
    if not isinstance(value, dict):
        return "–" if value is None else f"{value:.4g}{unit}"
    least, most = f"{value['least']:.4g}", value["most"]
    return f"≥ {least}{unit}" if most is None else f"{least}…{most:.4g}{unit}"


def join_seeds(results, describe):
    """One text per seed, or one for all seeds if they agree."""
    texts = [describe_gap(run) or describe(run["report"]) for run in results]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)


def describe_gap(run):
    """Why the figures of a run cannot be shown, or None. With code 3, the run did not test the store as asked."""
    if run["exit"] in LATE or run["report"] is None:
        return "late" if run["exit"] in LATE else "no report"
    is_open = any(one["verdict"] in ("unknown", "untested") for one in run["report"]["levels"] + run["report"]["objectives"])
    return "proves nothing" if run["exit"] == 3 and not is_open else None


def count_findings(report):
    """Of each kind of finding: the sessions to which it happened, and how often it was found."""
    found = {level["level"]: level["anomalies"] for level in report["levels"] if level["verdict"] == "violated"}
    return {kind: f"{len({one['session'] for one in anomalies})} ({len(anomalies)})" for kind, anomalies in found.items()}


def describe_findings(results):
    kinds = dict.fromkeys(kind for run in results if not describe_gap(run) for kind in count_findings(run["report"]))
    cells = (f"`{kind}` {join_seeds(results, lambda report: count_findings(report).get(kind, '0'))}" for kind in kinds)
    return ", ".join(cells) or join_seeds(results, lambda report: "nothing")


def describe_objectives(report):
    return ", ".join(f"{one['verdict']} {one['name']}" for one in report["objectives"] if one["verdict"] != "met") or "met"


def describe_side(runs):
    results = [run for run in runs if run]
    if not results:
        return " | not run | | | | |"
    seeds = "" if len(results) == len(SEEDS) else f" (seed {', '.join(str(run['seed']) for run in results)})"
    figures = [join_seeds(results, lambda report: describe_figure(report, name)) for name in FIGURES]
    return f"{seeds} | {describe_findings(results)} | {' | '.join(figures)} | {join_seeds(results, describe_objectives)} |"


def print_table(arguments, stack):
    results = read_results(arguments, stack)
    print(f"\n## {stack}\n\n{HEADER}\n|" + " --- |" * (HEADER.count("|") - 1))
    for name, options, cure in read_scenarios(stack):
        as_it_is, fixed = ([results.get((name, side, seed)) for seed in SEEDS] for side in SIDES)
        print(f"| `{name}`: {describe_settings(options)}{describe_side(as_it_is)}")
        print(f"| … cured: {describe_settings(cure)}{describe_side(fixed)}" if cure else "| … no cure | | | | | |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--program", default="target/release/steadfast")
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("--tables", action="store_true", help="print the tables of the results, and run nothing")
    parser.add_argument("stacks", nargs="*", default=STACKS)
    chosen = parser.parse_args()
    if not chosen.tables:
        run_missing(chosen)
    for named in chosen.stacks:
        print_table(chosen, named)
