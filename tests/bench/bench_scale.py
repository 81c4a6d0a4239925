"""How labelling scales: annotators, ingest beside annotation, a restart, a whole round of a million.

Separate processes throughout. The LLM is freeal-mockllm, which replays the sections of package
descriptions, a tenth of them made wrong; ours alone, there is no peer.
"""

import argparse
import contextlib
import http.client
import json
import os
import pathlib
import statistics
import threading
import time

import figures
import harness
import labelling
import scale_data

NEEDS_DATA = False
LATENCY_MS = 200
IN_FLIGHT = 64  # of each annotator
WINDOW_SECONDS = 10
WARM_SECONDS = 4


def task(url, labels, shots=0):
    return {
        "task": "sections",
        "description": "Say which section of a software archive a package belongs to.",
        "labels": [{"name": name} for name in labels],
        "input": {"text": "text", "id": "id", "gold": "label"},
        "llm": {"url": url, "model": "recorded", "concurrency": IN_FLIGHT},
        "model": {"type": "ngram"},
        "rounds": [{"shots": shots}],
        "seed": 1,
    }


@contextlib.contextmanager
def recorded_llm(folder, rows, *options):
    """The mock with the answers to `rows`, which are put into input.csv; gives URL and labels."""
    labels = scale_data.write(rows, folder / "input.csv", folder / "recordings.jsonl")
    with open(folder / "examples.jsonl", "w", encoding="utf-8") as out:
        for number, (text, section) in enumerate(rows[:5000]):
            out.write(json.dumps({"id": str(number), "text": text, "label": section}) + "\n")
    harness.write_task(folder / "mock-task.yaml", task("http://127.0.0.1:1/v1", labels))
    with harness.mock(folder, "--mode", "replay", "--recordings", folder / "recordings.jsonl", "--task",
                      folder / "mock-task.yaml", "--examples", folder / "examples.jsonl", *options) as url:
        yield url, labels


def mock_labels(url):
    port = int(url.split(":")[2].split("/")[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/mock/stats")
    stats = json.loads(connection.getresponse().read())
    connection.close()
    return stats["labels"]


def restart_seconds(system, url):
    """kill -9 of coordinator and annotators in the middle of ANNOTATE: from the start of both
    until the LLM is asked for the first label."""
    for process in (*system.annotators, system.coordinator):
        process.kill()
    before = mock_labels(url)
    start = time.monotonic()
    system.coordinator.start()
    for annotator in system.annotators:
        annotator.start()
    while mock_labels(url) == before:
        if time.monotonic() > start + 120:
            raise RuntimeError("no lease came, see " + str(system.folder))
        time.sleep(0.005)
    return time.monotonic() - start


def system_figures(folder, count, windows):
    """Rates by number of annotators, the share kept during an ingest, the restart."""
    rows = scale_data.samples(count)
    few = 120000 if count > 200000 else count // 2
    rates = {1: [], 2: [], 4: []}
    with recorded_llm(folder, rows, "--latency-ms", str(LATENCY_MS)) as (url, labels):
        scale_data.write(rows[:few], folder / "first.csv", os.devnull)
        with labelling.System(folder, task(url, labels), IN_FLIGHT) as system:
            system.ingest(folder / "first.csv")
            system.request("POST", "/v1/start", b"{}")
            for annotators in rates:
                system.annotators_set(annotators)
                if annotators == 1:
                    system.wait(lambda: system.status().get("phase") == "annotate", "ANNOTATE")
                rates[annotators] = [system.steady_rate(WARM_SECONDS, WINDOW_SECONDS) for _ in range(windows)]
            ingest = threading.Thread(target=system.ingest, args=(folder / "input.csv",))
            start = time.monotonic()
            ingest.start()
            during = system.rate(lambda: not ingest.is_alive())
            ingest.join()
            seconds = time.monotonic() - start
            status = system.status()
            if status["samples"] != count or status["phase"] != "annotate":
                raise RuntimeError(f"not in the middle of ANNOTATE with all samples: {status}")
            restarts = [restart_seconds(system, url) for _ in range(windows)]
    return rates, during, seconds, statistics.median(restarts)


class MemoryWatch:
    """The largest RssAnon of each program among the children of a process, while it runs."""

    def __init__(self, parent):
        self.parent = parent
        self.largest_mib = {}
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _look(self):
        for path in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                lines = dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)
            except OSError:
                continue
            if lines.get("Name", "").startswith("freeal-") and "RssAnon" in lines and self._ours(lines):
                mib = int(lines["RssAnon"].split()[0]) / 1024
                self.largest_mib[lines["Name"]] = max(mib, self.largest_mib.get(lines["Name"], 0))

    def _ours(self, lines):
        try:
            parent = pathlib.Path(f"/proc/{lines['PPid']}/status").read_text()
        except OSError:
            return False
        return f"PPid:\t{self.parent}\n" in parent

    def _run(self):
        while not self.stopped.wait(0.5):
            self._look()

    def stop(self):
        self.stopped.set()
        self.thread.join()
        return self.largest_mib


def whole_round(folder, count):
    """`freeal run` over `count` samples: its seconds, those of its phases, memory by program."""
    rows = scale_data.samples(count)
    with recorded_llm(folder, rows) as (url, labels):
        harness.write_task(folder / "task.yaml", task(url, labels, shots=4))
        watch = MemoryWatch(os.getpid())
        try:
            run = harness.freeal_run(folder / "task.yaml", folder / "input.csv", folder / "out")
        finally:
            memory = watch.stop()
    right = harness.share(row["label"] == section for row, (_, section) in zip(run.labels, rows))
    phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in run.report["phase_seconds"].items())
    print(f"{count} samples: {run.seconds:.1f} s ({phases}); {100 * right:.2f} % right; MiB: "
          + ", ".join(f"{name} {mib:.0f}" for name, mib in sorted(memory.items())), flush=True)
    return run.seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--samples", type=int, default=1000000, help="instead of a million")
    parser.add_argument("--windows", type=int, default=3, help="measurements of each rate, 10 s each")
    parser.add_argument("--only", choices=["rates", "cost"], help="one half of it")
    options = parser.parse_args()
    table = figures.Figures(f"scale: {options.samples} samples; {LATENCY_MS} ms, {IN_FLIGHT} in flight each")
    if options.only != "cost":
        rates, during, seconds, restart = system_figures(harness.work_folder("scale"), options.samples, options.windows)
        best = {annotators: statistics.median(found) for annotators, found in rates.items()}
        table.add("labels_per_second_1", best[1], "labels/s")
        table.add("scale_2", best[2] / best[1], "ratio", note="at least 1.95")
        table.add("scale_4", best[4] / best[1], "ratio", note="at least 3.8")
        table.add("rate_kept", during / best[4], "ratio", note=f"at least 0.8; the ingest took {seconds:.1f} s")
        table.add("restart_seconds", restart, "s", note="at most 2")
    if options.only != "rates":
        few = whole_round(harness.work_folder("scale"), 10000)
        many = whole_round(harness.work_folder("scale"), options.samples)
        table.add("seconds_per_1000", many / options.samples * 1000, "s", peer=few / 10, note="peer: ours at 10000")
        table.add("cost_growth", many / options.samples * 10000 / few, "ratio", note="at most 1.3")
    table.finish(options.json)


if __name__ == "__main__":
    main()
