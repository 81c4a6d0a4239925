"""The annotator against the openai package, autolabel and an aiohttp script: rate, CPU, latency, limits.

Separate processes throughout: coordinator, selector, trainer, annotators; answers are durable
before they count. The LLM is nginx with one fixed answer, for the limits freeal-mockllm.
Prompts have ten demonstrations: 22 messages.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import time

import figures
import fixed_llm
import harness
import labelling
import llm_peer
import process_use
import scale_data

NEEDS_DATA = False
SHOTS = 10
LATENCY_SECONDS = 1
IN_FLIGHT = {"rate": 64, "latency": 1000, "limit": 64}  # of each annotator
PEER_IN_FLIGHT = {"openai": [8, 32], "autolabel": [1], "aiohttp": [8]}  # the best one counts
WARM_SECONDS = 4
FIND_SECONDS = 10  # until the annotator has found out by trying how many in flight are best
REQUESTS_PER_MINUTE = 600
LIMIT_ANNOTATORS = 3
WANTED = {"openai": ("50", "1/80"), "autolabel": ("50", "1/60"), "aiohttp": ("1.5", "1/2")}
DESCRIPTION = "Say which section of a software archive a package belongs to."


class Input:
    """Package descriptions and demonstrations for both sides."""

    def __init__(self, folder, count):
        rows = scale_data.samples(count + 200)
        shown, rows = rows[:200], rows[200:]
        self.labels = scale_data.write(rows, folder / "input.csv", os.devnull)
        self.examples = {label: [text for text, of in shown if of == label][:3] for label in self.labels}
        demonstrations = [[texts[0], label] for label, texts in self.examples.items() if texts]
        names = "".join(f"- {label}\n" for label in self.labels)
        harness.write_task(folder / "prompts.json", {
            "system": f"{DESCRIPTION}\n\nChoose the one label that fits the text best. The labels:\n{names}\n"
                      "Answer with the label's name alone.",
            "demonstrations": [demonstrations[i % len(demonstrations)] for i in range(SHOTS)],
            "labels": self.labels, "texts": [text for text, _ in rows[:20000]]})

    def task(self, url, **llm):
        return {
            "task": "sections", "description": DESCRIPTION,
            "labels": [{"name": label, "keywords": [label], "examples": self.examples[label]} for label in self.labels],
            "input": {"text": "text", "id": "id", "gold": "label"},
            "llm": {"url": url, "model": "fixed", "max_tokens": 20, **llm},
            "model": {"type": "ngram"}, "rounds": [{"shots": SHOTS}], "cache": False, "seed": 1}


@contextlib.contextmanager
def annotating(folder, task, in_flight, annotators=1):
    """The system in the middle of ANNOTATE, with the rows of input.csv."""
    folder = folder / "system"
    with labelling.System(folder, task, in_flight) as system:
        system.ingest(folder.parent / "input.csv")
        system.annotators_set(annotators)
        system.request("POST", "/v1/start", b"{}")
        system.wait(lambda: system.status().get("phase") == "annotate", "ANNOTATE", timeout=600)
        yield system


def window(system, seconds):
    """Labels per second, CPU seconds per label of the first annotator, of the coordinator."""
    pids = system.annotators[0].pid, system.coordinator.pid
    first, start = system.labels_count()
    before = [process_use.cpu_seconds(pid) for pid in pids]
    time.sleep(max(0.0, start + seconds - time.monotonic()))
    last, end = system.labels_count()
    used = [process_use.cpu_seconds(pid) - cpu for pid, cpu in zip(pids, before)]
    if system.status().get("phase") != "annotate":
        raise RuntimeError("the samples did not last; give more --samples")
    return (last - first) / (end - start), used[0] / (last - first), used[1] / (last - first)


def load_note():
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


def peer_best(peer, url, folder, seconds):
    found = [llm_peer.run(peer, url, folder / "prompts.json", in_flight, seconds, folder / f"{peer}.log")
             for in_flight in PEER_IN_FLIGHT[peer]]
    return max(found)


def rate_part(folder, table, options):
    """Windows of ours and of each peer take turns, so that a busy machine meets all of them."""
    found = Input(folder, options.samples)
    for peer in WANTED:
        llm_peer.python(peer)
    ours, peers = [], {peer: [] for peer in WANTED}
    with fixed_llm.serve(folder, found.labels[0]) as url:
        with annotating(folder, found.task(url), IN_FLIGHT["rate"]) as system:
            for _ in range(options.windows):
                time.sleep(WARM_SECONDS)
                ours.append(window(system, options.seconds or 8))
                print(f"ours: {ours[-1][0]:.0f}/s, annotator {1e6 * ours[-1][1]:.0f} us, "
                      f"coordinator {1e6 * ours[-1][2]:.0f} us a label; {load_note()}", flush=True)
                system.annotators[0].stop()
                for peer, windows in peers.items():
                    windows.append(peer_best(peer, url, folder, options.seconds or 8))
                    print(f"{peer}: {windows[-1][0]:.0f}/s, {1e6 * windows[-1][1]:.0f} us; {load_note()}", flush=True)
                system.annotators[0].start()
    rate, cpu, coordinator = (statistics.median(column) for column in zip(*ours))
    for peer, (wanted_rate, wanted_cpu) in WANTED.items():
        peer_rate, peer_cpu = (statistics.median(column) for column in zip(*peers[peer]))
        table.add(f"rate_vs_{peer}", rate, "labels/s", peer=peer_rate, note=f"ratio at least {wanted_rate}")
        table.add(f"cpu_vs_{peer}", 1e6 * cpu, "us/label", peer=1e6 * peer_cpu, note=f"ratio at most {wanted_cpu}")
    table.add("coordinator_cpu", 1e6 * coordinator, "us/label")


def latency_part(folder, table, options):
    in_flight = IN_FLIGHT["latency"]
    seconds = options.seconds or 15
    found = Input(folder, min(options.samples, 12 * in_flight + 3 * in_flight * int(seconds)))
    with fixed_llm.serve(folder, found.labels[0], LATENCY_SECONDS) as url:
        with annotating(folder, found.task(url, concurrency=in_flight), in_flight) as system:
            time.sleep(FIND_SECONDS)
            rate, cpu, _ = window(system, seconds)
            memory = process_use.rss_mib(system.annotators[0].pid)
        peer = max(llm_peer.run(kind, url, folder / "prompts.json", in_flight, seconds, folder / f"{kind}.log")[0]
                   for kind in ("openai", "aiohttp"))
    possible = in_flight / LATENCY_SECONDS
    table.add("concurrency_share", rate / possible, "share", peer=peer / possible,
              note=f"at least 0.95; {1e6 * cpu:.0f} us a label; {load_note()}; peer: the best of them")
    table.add("rss_mib", memory, "MiB", note=f"at most 64, {in_flight} in flight")


def mock_counts(url):
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=60)
    connection.request("GET", "/mock/stats")
    return json.loads(connection.getresponse().read())


def limit_part(folder, table, options):
    """Three annotators under one limit, from the first request after a minute's worth on."""
    seconds = options.seconds or 300
    possible = REQUESTS_PER_MINUTE * seconds / 60
    found = Input(folder, int(3 * possible) + 2000)
    mock_task = folder / "mock-task.yaml"
    harness.write_task(mock_task, found.task("http://127.0.0.1:1/v1"))
    with harness.mock(folder, "--task", mock_task, "--requests-per-minute", str(REQUESTS_PER_MINUTE)) as url:
        task = found.task(url, requests_per_minute=REQUESTS_PER_MINUTE)
        with annotating(folder, task, IN_FLIGHT["limit"], LIMIT_ANNOTATORS) as system:
            time.sleep(WARM_SECONDS)
            before, (first, start) = mock_counts(url), system.labels_count()
            time.sleep(seconds)
            after, (last, end) = mock_counts(url), system.labels_count()
    answered = (last - first) / (end - start) * 60
    refused = after["rate_limited"] - before["rate_limited"]
    requests = after["requests"] - before["requests"]
    table.add("limit_share", answered / REQUESTS_PER_MINUTE, "share",
              note=f"at least 0.97; {LIMIT_ANNOTATORS} annotators, {seconds:.0f} s; {load_note()}")
    table.add("share_429", refused / requests, "share", note=f"below 0.01; {requests} requests")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--part", choices=["rate", "latency", "limit"], help="one of them; else all")
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--windows", type=int, default=3, help="of the rates; the median counts")
    parser.add_argument("--samples", type=int, default=400000, help="enough for all windows")
    options = parser.parse_args()
    table = figures.Figures("annotator: durable labels; peers on the same server in the same run")
    for name, part in (("rate", rate_part), ("latency", latency_part), ("limit", limit_part)):
        if options.part in (None, name):
            part(harness.work_folder(f"annotator-{name}"), table, options)
    table.finish(options.json)


if __name__ == "__main__":
    main()
