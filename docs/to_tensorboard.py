"""Follows OUT/results.jsonl of lethe and shows it in TensorBoard:  python3 to_tensorboard.py OUT [LOGS]

    pip install tensorboard;  tensorboard --logdir LOGS       LOGS: OUT/tensorboard unless it is named
Ends with the run, or with Ctrl-C. Each method and seed is a run; its steps count through all tasks."""
import json
import os
import sys
import time

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

out = sys.argv[1]
logs = sys.argv[2] if len(sys.argv) > 2 else os.path.join(out, "tensorboard")
writers, before, last = {}, {}, {}  # by run; before: steps of its earlier tasks; last: task and step


def add(run, tag, value, step):
    if run not in writers:
        writers[run] = EventFileWriter(os.path.join(logs, run), flush_secs=5)
    scalar = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    writers[run].add_event(Event(wall_time=time.time(), step=step, summary=scalar))


def take(e):
    run = f"{e.get('method')}-seed{e.get('seed')}"
    task, step = last.get(run, (1, 0))
    if e["event"] == "step":
        before[run] = before.get(run, 0) + (step if task != e["task"] else 0)
        last[run] = e["task"], e["step"]
        for key in ("loss", "penalty", "grad_norm", "learning_rate"):
            if key in e:
                add(run, f"{key}/{e['name']}", e[key], before[run] + e["step"])
    elif e["event"] == "curve" or (e["event"] == "eval" and e["final"]):
        step = e["step"] if e["event"] == "curve" else step
        add(run, f"accuracy/{e['name']}", e["correct"] / e["rows"], before.get(run, 0) + step)


with open(os.path.join(out, "results.jsonl"), encoding="utf-8") as events:
    line, kind = "", ""
    while kind != "done":
        line += events.readline()
        if line.endswith("\n"):
            kind, event, line = json.loads(line)["event"], json.loads(line), ""
            take(event)
        else:  # the run is still writing
            time.sleep(1)
for writer in writers.values():
    writer.close()
