"""What the checks share: pictures, our programs, comparisons. Not a check itself."""

import json
import subprocess
from pathlib import Path

import numpy as np

compiled = Path(__file__).resolve().parents[3] / "dist/test/formats/python"
names = ("lenet", "lenet1", "norm")
differences = []


def node(script, *arguments):
    """Runs one of the compiled programs beside this file."""
    subprocess.run(["node", str(compiled / f"{script}.js"), *map(str, arguments)], check=True)


def pictures(count):
    """[N, 3, 32, 32], as in peerNets.ts."""
    i = np.arange(count * 3 * 32 * 32)
    return ((37 * i % 101) / 101).astype("float32").reshape(count, 3, 32, 32)


def same(what, got, wanted, most=1e-5):
    got, wanted = np.asarray(got).ravel(), np.asarray(wanted).ravel()
    assert got.shape == wanted.shape, (what, got.shape, wanted.shape)
    difference = float(np.abs(got - wanted).max())
    assert difference <= most, f"{what}: {difference}"
    differences.append(difference)
    print(f"{what}: {difference:.1e}", flush=True)


def done(programs):
    """The closing line."""
    print(f"{programs}: {len(differences)} comparisons, the worst difference {max(differences):.1e}")


def our_files(folder):
    """Our nets in all formats; their logits for four pictures."""
    node("writePeerFiles", folder)
    return json.loads(Path(folder, "logits.json").read_text())


def ours_reads(folder, files):
    """We read what the other program wrote: entries (file, net or None, logits)."""
    entries = [
        {"file": file, "logits": [float(v) for v in np.asarray(logits).ravel()], **({"net": net} if net else {})}
        for file, net, logits in files
    ]
    Path(folder, "theirs.json").write_text(json.dumps(entries))
    node("readPeerFiles", folder)
    differences.extend(json.loads(Path(folder, "read.json").read_text()))
