"""What the benchmarks share: the mock, `freeal run` on prepared inputs, its outputs."""

import contextlib
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import environment  # noqa: E402  it lies there

BIN = pathlib.Path(os.environ.get("FREEAL_BIN", ROOT / "build" / "bin"))
WORK = ROOT / "build" / "bench"


def data_folder():
    """The folder of FREEAL_DATA; ends the program with 77 where it is not set."""
    folder = os.environ.get("FREEAL_DATA")
    if not folder:
        print("skipped: this benchmark needs the data folder in FREEAL_DATA", file=sys.stderr)
        sys.exit(77)
    return pathlib.Path(folder)


def work_folder(name):
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def read_jsonl(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def write_jsonl(path, rows):
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_csv(path, header, rows):
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)


def write_task(path, task):
    """A task file; JSON is YAML."""
    with open(path, "w", encoding="utf-8") as out:
        json.dump(task, out, indent=1, ensure_ascii=False)


@contextlib.contextmanager
def mock(folder, *options):
    """Runs freeal-mockllm; gives its base URL."""
    port_file = pathlib.Path(folder) / "mock.port"
    port_file.unlink(missing_ok=True)
    with open(pathlib.Path(folder) / "mock.log", "w") as log:
        process = subprocess.Popen(
            [BIN / "freeal-mockllm", "--listen", "127.0.0.1:0", "--port-file", port_file, *options],
            stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("freeal-mockllm did not start, see " + log.name)
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port_file.read_text().strip()}/v1"
    finally:
        process.terminate()
        process.wait(30)


class Run:
    """One finished `freeal run`: its labels in input order, its report, its wall time."""

    def __init__(self, out, seconds):
        self.out = pathlib.Path(out)
        self.seconds = seconds
        self.labels = read_jsonl(self.out / "labels.jsonl")
        with open(self.out / "report.json", encoding="utf-8") as file:
            self.report = json.load(file)


def freeal_run(task, data, out):
    shutil.rmtree(out, ignore_errors=True)
    start = time.monotonic()
    with open(str(out) + ".log", "w") as log:
        code = subprocess.run([BIN / "freeal", "run", task, "--input", data, "--out", out],
                              stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    if code != 0:
        with open(str(out) + ".log") as log:
            print(log.read()[-4000:], file=sys.stderr)
        raise RuntimeError(f"freeal run ended with {code}")
    return Run(out, time.monotonic() - start)


def freeal_predict(model, data):
    """The predicted labels of a file, in its order."""
    result = subprocess.run([BIN / "freeal", "predict", model, "--input", data],
                            stdout=subprocess.PIPE, check=True, encoding="utf-8")
    rows = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return [row["label"] for row in rows]


def share(flags):
    flags = list(flags)
    return sum(flags) / len(flags) if flags else float("nan")


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def retrieval(report):
    """The last round's retrieval of demonstrations: its figures by name; None: there was none."""
    return ([None] + [row["retrieve"] for row in report["rounds"] if row.get("retrieve")])[-1]


def phase_seconds(report, *phases):
    """Wall time of the named phases over all rounds."""
    return sum(report["phase_seconds"].get(phase, 0) for phase in phases)
