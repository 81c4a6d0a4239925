"""E1, E2, E4, E5: more and fewer annotators, a steady stream, samples that nobody can label, samples
that end workers."""
import re
import subprocess
import threading
import time
import unittest

from cluster import BIN, Cluster, main
from topics import samples

ONE_ROUND = "[{shots: 6}]"


def replies(process):
    """Answers that an annotator which logs them has got."""
    return len(re.findall(r" debug reply ", process.text()))


class Annotators(unittest.TestCase):
    def start(self, cluster, names):
        for name in names:
            cluster[name].start(environment={"FREEAL_LOG_LEVEL": "debug"})

    def address(self, cluster):
        return "127.0.0.1:" + (cluster.path / "port").read_text().strip()

    def shares_check(self, cluster, names):
        """While all of them are busy each gets as much as the others, within a fifth."""
        cluster.wait(lambda: all(replies(cluster[n]) > 20 for n in names), 60, "answers for all")
        before = [replies(cluster[n]) for n in names]
        done = cluster.status()["done"]
        cluster.wait(lambda: cluster.status()["done"] >= done + 1000, 60, "a thousand more")
        shares = [replies(cluster[n]) - b for n, b in zip(names, before)]
        mean = sum(shares) / len(shares)
        self.assertGreaterEqual(min(shares), 0.8 * mean, shares)
        self.assertLessEqual(max(shares), 1.2 * mean, shares)

    def wanted(self, rows):
        with Cluster(annotators=2, task={"rounds": ONE_ROUND, "concurrency": 32}) as cluster:
            cluster.run(rows).finish()
            return cluster.labels_text()

    def test_e1_one_then_eight_then_none_then_three(self):
        rows = samples(2500)
        task = {"rounds": ONE_ROUND, "concurrency": None}
        with Cluster(annotators=8, latency_ms=50, task=task, annotator_options=["--concurrency", 4]) as cluster:
            names = cluster.of("annotator")
            for name in ("coordinator", "selector", "trainer-0"):
                cluster[name].start()
            self.start(cluster, names[:1])
            cluster.ingest(rows)
            cluster.post("/v1/start", b"{}")
            cluster.wait_phase("annotate", round=0, done=50)
            self.start(cluster, names[1:])
            self.shares_check(cluster, names)
            for name in names:
                cluster[name].terminate()
            for name in names:
                self.assertEqual(cluster[name].wait_stopped(), 0)
            waiting = cluster.wait(lambda: (s := cluster.status())["workers"]["annotator"] == 0 and s, 30, "nobody")
            self.assertEqual(waiting["missing"], "annotator")
            self.assertEqual(waiting["phase"], "annotate")
            self.assertLess(waiting["done"], len(rows))
            said = subprocess.run([BIN / "freeal", "status", "--server", self.address(cluster), "--token-file",
                                   cluster.project / "token"], capture_output=True, encoding="utf-8")
            self.assertIn("waits for an annotator: none is connected", said.stdout + said.stderr)
            self.start(cluster, names[:3])
            self.assertIsNone(cluster.wait(lambda: (s := cluster.status())["done"] > waiting["done"] and s)["missing"])
            cluster.finish()
            got = cluster.labels_text()
            self.assertIn("leases_expired\": 0", cluster.get("/v1/report").decode())
            cluster.audit()
        self.assertEqual(got, self.wanted(rows))


class Stream(unittest.TestCase):
    RATE, BATCH, P99_S_MAX = 500, 25, 0.5

    def feed(self, cluster, rows, stop, waits):
        """Posts a batch at a time, as many a second as RATE says; the time that each took."""
        due = time.monotonic()
        while len(rows) >= self.BATCH and not stop.is_set():
            stop.wait(max(0, due - time.monotonic()))
            due += self.BATCH / self.RATE
            start = time.monotonic()
            cluster.ingest([rows.pop() for _ in range(self.BATCH)])
            waits.append(time.monotonic() - start)

    def test_e2_rounds_close_under_a_steady_stream(self):
        rows, waits, stop = samples(8000), [], threading.Event()
        first = [rows.pop() for _ in range(400)]
        with Cluster(annotators=2, latency_ms=30, task={"concurrency": 16}) as cluster:
            cluster.run(first)
            cluster.wait_phase("annotate", round=0)
            feeder = threading.Thread(target=self.feed, args=(cluster, rows, stop, waits))
            feeder.start()
            try:
                cluster.wait_phase("train", round=1, timeout=60)
                fed = feeder.is_alive()
            finally:
                stop.set()
                feeder.join()
            self.assertTrue(fed)  # both rounds closed while samples came
            cluster.finish()
            report = cluster.report()
            self.assertGreater(report["rounds"][0]["asked"], len(first))
            self.assertGreater(len(waits), 20)
            # As fast as wanted, and each batch acknowledged soon.
            self.assertLess(sorted(waits)[len(waits) * 99 // 100], self.P99_S_MAX)
            cluster.audit()


class Poison(unittest.TestCase):
    def run_to_end(self, rows, script, **options):
        with Cluster(script=script, task={"rounds": ONE_ROUND}, **options) as cluster:
            cluster.run(rows).finish()
            labels, report = {r["id"]: r for r in cluster.labels()}, cluster.report()
            asked = len(cluster.asked())
            cluster.audit()
            return labels, report, asked

    def test_e4_answers_that_are_never_usable(self):
        rows = samples(120)
        clean, _, _ = self.run_to_end(rows, None)
        self.assertIsNotNone(clean["s7"]["llm_label"])
        rows[7]["text"] += " POISON"
        rule = [{"text": "POISON", "count": 0, "content": "I would rather not say."}]
        labels, _, _ = self.run_to_end(rows, rule)
        self.assertEqual(labels["s7"]["llm_reason"], "not_a_label")
        self.assertEqual(labels["s7"]["source"], "slm")
        for row in rows:
            if row["id"] != "s7":
                self.assertEqual(labels[row["id"]]["llm_label"], clean[row["id"]]["llm_label"])

    def test_e4_a_sample_that_ends_every_annotator(self):
        rows = samples(120)
        rows[40]["text"] += " POISON"
        deaths = 0
        with Cluster(annotators=2, ttr_ms=900, task={"rounds": ONE_ROUND}) as cluster:
            def start(name):
                # "nowhere" is no crash point: the death that is expected is that by the text.
                cluster[name].start(crash="nowhere:1", environment={"CRASH_TEXT": "POISON"})

            for name in ("coordinator", "selector", "trainer-0"):
                cluster[name].start()
            for name in cluster.of("annotator"):
                start(name)
            cluster.ingest(rows)
            cluster.post("/v1/start", b"{}")

            def over():
                nonlocal deaths
                for name in cluster.of("annotator"):
                    if not cluster[name].alive():
                        deaths += 1
                        start(name)
                return cluster.status().get("finished")

            cluster.wait(over, 90, "the end")
            labels = {r["id"]: r for r in cluster.labels()}
            cluster.audit()
        self.assertEqual(labels["s40"]["llm_reason"], "worker_lost")
        self.assertEqual(labels["s40"]["source"], "slm")
        others = [r["id"] for r in labels.values() if r.get("llm_reason") == "worker_lost"]
        self.assertEqual(others, ["s40"])
        self.assertLessEqual(deaths, 4)
        clean, _, _ = self.run_to_end(samples(120), None)
        for row in labels.values():
            if row["id"] != "s40":
                self.assertEqual(row["llm_label"], clean[row["id"]]["llm_label"])

    def test_e5_no_answer_of_a_round_is_usable(self):
        rows = samples(60)
        labels, report, asked = self.run_to_end(rows, [{"count": 0, "content": "No idea at all."}])
        self.assertEqual(report["set_aside"], 60)
        self.assertEqual({r["llm_reason"] for r in labels.values()}, {"not_a_label"})
        self.assertLessEqual(asked, 60 * 3)


if __name__ == "__main__":
    main()
