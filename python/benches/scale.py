"""What a check on a cluster costs: ``python scale.py FILE.parquet WORKERS [MODEL LEVEL]`` prints one JSON object.

Registers are checked for linearizability, unless a model and a level are given. The driver takes nothing, so that everything is done by
workers. The engine is Sail on this machine; its driver and its workers are one process, whose CPU seconds and peak memory are told.
"""

import json
import os
import resource
import sys
import time

path, workers, model, level = (*sys.argv[1:3], *(sys.argv[3:] or ["register", "linearizable"]))
os.environ.update(
    {
        "SAIL_MODE": "local-cluster",
        "SAIL_CLUSTER__WORKER_INITIAL_COUNT": workers,
        "SAIL_CLUSTER__WORKER_MAX_COUNT": workers,
        "SAIL_EXECUTION__DEFAULT_PARALLELISM": "4",
    }
)

import pysail.spark  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402
from steadfast_checker import spark as scale  # noqa: E402


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


server = pysail.spark.SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
_, port = server.listening_address
session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
began, before = time.time(), cpu_seconds()
report = scale.check(session.read.parquet(path), consistency=[level], model=model, driver_rows_max=1000)
print(
    json.dumps(
        {
            "workers": int(workers),
            "verdict": report.verdict,
            "operations": report.operations,
            "objects": report.objects,
            "slices": report.answers[0].slices,
            "wall_s": round(time.time() - began, 1),
            "cpu_s": round(cpu_seconds() - before, 1),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    )
)
session.stop()
server.stop()
