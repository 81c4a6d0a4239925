"""Rows per second from a CSV file into the coordinator, durable, and what memory it takes.

Against sqlite3's .import into a table with a primary key, in the same run.
"""

import argparse
import contextlib
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import threading
import time

import figures
import harness

NEEDS_DATA = False
ROW_BYTES = 200
TASK = {
    "task": "packages",
    "labels": [{"name": "program"}, {"name": "library"}],
    "input": {"id": "id", "text": "text"},
    "llm": {"url": "http://127.0.0.1:1/v1", "model": "none"},
}
TABLE = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE samples(id TEXT PRIMARY KEY, text TEXT);"


def descriptions():
    """The one-line descriptions of the machine's package index."""
    index = subprocess.run(["apt-cache", "dumpavail"], stdout=subprocess.PIPE, check=True).stdout.decode()
    texts = re.findall(r"(?m)^Description(?:-en)?: (.+)$", index)
    if len(texts) < 1000:
        raise RuntimeError("the package index is empty; run apt-get update")
    return texts


def write_rows(path, count):
    """Ascending ids; each text is a description and those behind it, as far as the row goes."""
    texts = descriptions()
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        out.write("id,text\n")
        for number in range(count):
            at, text = number, ""
            while len(text) < ROW_BYTES:
                text += texts[at % len(texts)] + ". "
                at += 1
            head = f'{number:08},"'
            text = text.replace('"', "'").encode()[:ROW_BYTES - len(head) - 2].decode(errors="ignore")
            out.write(f'{head}{text}"\n')


def rss_anon_mib(pid):
    return int(re.search(r"RssAnon:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


@contextlib.contextmanager
def coordinator(folder):
    """A coordinator on a new project in `folder`; gives its process."""
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    run = project / "run"
    run.mkdir(parents=True)
    harness.write_task(folder / "task.yaml", TASK)
    with open(folder / "coordinator.log", "w") as log:
        process = subprocess.Popen(
            [harness.BIN / "freeal-coordinator", "--project", project, "--task", folder / "task.yaml", "--http",
             "127.0.0.1:0", "--port-file", run / "port", "--token-file", run / "token"], stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not (run / "port").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the coordinator did not start, see " + log.name)
            time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def measure_ours(folder, rows, count):
    """Rows per second, and the growth of the coordinator's memory at its largest."""
    with coordinator(folder) as process:
        before = largest = rss_anon_mib(process.pid)
        ended = threading.Event()

        def watch():
            nonlocal largest
            while not ended.wait(0.05):
                largest = max(largest, rss_anon_mib(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        os.sync()
        start = time.monotonic()
        result = subprocess.run([harness.BIN / "freeal", "ingest", rows, "--project", folder / "project"],
                                stderr=subprocess.PIPE, encoding="utf-8", check=True)
        seconds = time.monotonic() - start
        ended.set()
        watcher.join()
    if f"{count} samples added" not in result.stderr:
        raise RuntimeError(result.stderr)
    return count / seconds, largest - before


def measure_peer(folder, rows, count):
    database = folder / "peer.db"
    for path in folder.glob("peer.db*"):
        path.unlink()
    os.sync()
    start = time.monotonic()
    subprocess.run(["sqlite3", database, TABLE, f".import --csv --skip 1 {rows} samples"],
                   stdout=subprocess.DEVNULL, check=True)
    seconds = time.monotonic() - start
    there = subprocess.run(["sqlite3", database, "SELECT count(*) FROM samples"], stdout=subprocess.PIPE,
                           encoding="utf-8", check=True).stdout
    if int(there) != count:
        raise RuntimeError(f"sqlite3 took {there} rows")
    return count / seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--rows", type=int, default=1000000, help="instead of a million")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of each, in turn")
    options = parser.parse_args()
    folder = harness.work_folder("ingest")
    rows = folder / "rows.csv"
    write_rows(rows, options.rows)
    ours, growth, peer = [], [], []
    for _ in range(options.repeat):
        peer.append(measure_peer(folder, rows, options.rows))
        speed, memory = measure_ours(folder, rows, options.rows)
        ours.append(speed)
        growth.append(memory)
    table = figures.Figures(f"ingest: {options.rows} rows of {ROW_BYTES} bytes, medians of {options.repeat}; "
                            "peer: sqlite3 .import, WAL, synchronous full")
    table.add("rows_per_second", statistics.median(ours), "rows/s", peer=statistics.median(peer))
    table.add("rss_growth_mib", max(growth), "MiB", note="at most 100")
    table.finish(options.json)
    shutil.rmtree(folder / "project", ignore_errors=True)
    for path in folder.glob("peer.db*"):
        path.unlink()


if __name__ == "__main__":
    main()
