"""A participant's side in Python: reads its task, warms up, answers questions on stdin with a line of JSON each.

Not here: steps (torch_participant.py, keras_participant.py).
"""

import json
import os
import sys
import time

try:
    import resource
except ImportError:  # Windows
    resource = None

# What libraries print must not come between the answers.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(answer):
    print(json.dumps(answer), file=ANSWERS, flush=True)


def peak_mb():
    """The most memory that this process had. Linux counts it in KiB, macOS in bytes."""
    if resource is None:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1e6 if sys.platform == "darwin" else 1e3))


def timed(step, seconds):
    """Milliseconds of each step within so many seconds; one step at least."""
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    return times


def participate(make):
    """make(task) gives (facts, measure), where measure(seconds) gives the milliseconds of steps."""
    try:
        task = json.loads(sys.argv[-1])
        facts, measure = make(task)
        measure(task["warmSeconds"])
        say({"event": "ready", "facts": facts})
        for line in sys.stdin:
            say({"event": "steps", "ms": measure(json.loads(line)["seconds"]), "peakMB": peak_mb()})
    except Exception as error:
        first = str(error).strip().split("\n")[0]
        say({"event": "failed", "reason": f"{type(error).__name__}: {first}"})
        sys.exit(1)
