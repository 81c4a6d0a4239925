"""Simulated answers on question types: sets of candidates against single labels, as many calls.

For the mechanism alone: the answers are drawn, not an LLM's. Where it is unsure the simulated LLM
names two labels, the one that it would have answered and its rival, if it may. The peer is freeal
with single labels.
"""

import numpy as np

import bench_trec
import figures
import harness
import make_simulate

NEEDS_DATA = True
UNSURE = 0.3


def task(url, seed, candidates):
    made = bench_trec.task(url, seed)
    made["llm"]["candidates"] = candidates
    made["rounds"] = [{"shots": 0}]
    return made


def measure(folder, url, seed, candidates, tests):
    name = f"{'sets' if candidates else 'single'}{seed}"
    harness.write_task(folder / f"{name}.yaml", task(url, seed, candidates))
    run = harness.freeal_run(folder / f"{name}.yaml", folder / "train.jsonl", folder / name)
    gold = run.report["gold"]
    predicted = harness.freeal_predict(folder / name / "model", folder / "test.jsonl")
    return {
        "labels": gold["accuracy"],
        "test": harness.share(a == b for a, b in zip(predicted, tests)),
        "requests": run.report["usage"]["requests"],
        "sets": harness.share("llm_candidates" in row for row in run.labels),
        "chosen": gold["candidates"]["correct"] if candidates else None,
        "hold": gold["candidates_hold_gold"]["correct"] if candidates else None,
    }


def prepare(folder):
    data = harness.data_folder() / "trec"
    rows = list({row["text"]: row for row in harness.read_jsonl(data / "train.jsonl")}.values())
    tests = harness.read_jsonl(data / "test.jsonl")
    for name, part in (("train", rows), ("test", tests)):
        harness.write_jsonl(folder / f"{name}.jsonl", [
            {"id": row["id"], "text": row["text"], "label": bench_trec.LABELS[row["label"]]}
            for row in part])
    make_simulate.write([row["text"] for row in rows], [row["label"] for row in rows],
                        bench_trec.LABELS, folder / "margins.jsonl")
    return [bench_trec.LABELS[row["label"]] for row in tests]


def main():
    options = figures.arguments(__doc__.split("\n", 1)[0], seeds=3)
    folder = harness.work_folder("trec-candidates")
    tests = prepare(folder)
    sets, single = [], []
    for seed in range(1, options.seeds + 1):
        with harness.mock(folder, "--mode", "simulate", "--margins", folder / "margins.jsonl",
                          "--accuracy", str(bench_trec.ACCURACY), "--unsure", str(UNSURE),
                          "--seed", str(seed)) as url:
            sets.append(measure(folder, url, seed, True, tests))
            single.append(measure(folder, url, seed, False, tests))

    def means(name):
        return harness.mean(row[name] for row in sets), harness.mean(row[name] for row in single)

    def spread(name):
        return np.ptp([a[name] - b[name] for a, b in zip(sets, single)])

    table = figures.Figures(f"trec, simulated: share right, means over {options.seeds} seeds; "
                            "peer: single labels at as many calls")
    for name in ("labels", "test"):
        ours, peer = means(name)
        table.add(f"candidates_{name}", ours, "share", peer=peer)
        table.add(f"candidates_{name}_gain_spread", spread(name), "share")
    table.add("requests", means("requests")[0], "", peer=means("requests")[1])
    table.add("sets", means("sets")[0], "share")
    table.add("sets_hold_gold", harness.mean(row["hold"] for row in sets), "share")
    table.add("sets_chosen_right", harness.mean(row["chosen"] for row in sets), "share")
    table.finish(options.json)


if __name__ == "__main__":
    main()
