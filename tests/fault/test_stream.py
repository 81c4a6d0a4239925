"""E2: samples that come while the rounds go on. Which of them a round takes is settled once; what
comes of it doesn't depend on when they came before that, nor on restarts."""
import threading
import unittest

from cluster import Cluster, main
from topics import samples

ROWS = samples(200)
SLOWLY = {"latency_ms": 40, "task": {"concurrency": 4}}
FIRST, LATER = ROWS[:120], ROWS[120:]


class Stream(unittest.TestCase):
    def hold(self, cluster, round=0, done=5):
        """Round's ANNOTATE goes on and stays open until `release`."""
        cluster.wait_phase("annotate", round=round, done=done)
        for name in cluster.of("annotator"):
            cluster[name].pause()
        status = cluster.status()
        self.assertEqual((status["phase"], status["frozen"]), ("annotate", False))

    def release(self, cluster):
        for name in cluster.of("annotator"):
            cluster[name].cont()

    def outcome(self, cluster, asked):
        cluster.finish()
        report = cluster.report()
        self.assertEqual([r["asked"] for r in report["rounds"]], asked)
        outcome = cluster.labels_text(), cluster.model()
        cluster.audit()
        return outcome

    def at_once(self):
        with Cluster(**SLOWLY) as cluster:
            cluster.run(FIRST)
            self.hold(cluster)
            cluster.ingest(LATER)
            self.release(cluster)
            return self.outcome(cluster, [200, 60])

    def test_what_comes_during_annotate_joins_it_however_it_comes(self):
        wanted = self.at_once()
        with Cluster(annotators=3, trainers=2, **SLOWLY) as cluster:
            cluster.run(FIRST)
            self.hold(cluster, done=20)
            cluster.ingest(LATER[:30], batch=1)
            cluster["coordinator"].restart()
            cluster.ingest(LATER[20:50], batch=3)  # ten of them again
            cluster["annotator-0"].cont()  # the others would be too fast
            cluster.ingest(LATER[50:], batch=7)
            self.release(cluster)
            self.assertEqual(self.outcome(cluster, [200, 60]), wanted)

    def test_restarts_between_the_freeze_and_the_end(self):
        wanted = self.at_once()
        with Cluster(**SLOWLY) as cluster:
            cluster.run(FIRST)
            self.hold(cluster)
            cluster.ingest(LATER)
            cluster["trainer-0"].pause()
            self.release(cluster)
            cluster.wait(lambda: cluster.status().get("frozen"), what="the freeze")
            self.assertEqual(cluster.status()["phase"], "embed")
            cluster["coordinator"].restart()
            cluster["trainer-0"].restart()
            cluster["selector"].restart()
            status = cluster.wait_phase("annotate", round=0, done=10)
            self.assertTrue(status["frozen"])
            self.assertEqual(status["total"], len(LATER))
            cluster["coordinator"].restart()
            cluster["annotator-0"].restart()
            self.assertEqual(self.outcome(cluster, [200, 60]), wanted)

    def test_what_comes_after_the_freeze_joins_the_next_round(self):
        with Cluster(**SLOWLY) as cluster:
            cluster.run(FIRST)
            self.hold(cluster)
            cluster["trainer-0"].pause()
            self.release(cluster)
            cluster.wait_phase("train", round=0)
            cluster.ingest(LATER[:50])
            cluster["trainer-0"].cont()
            self.hold(cluster, round=1)
            cluster.ingest(LATER[50:70])
            cluster["trainer-0"].pause()
            self.release(cluster)
            cluster.wait(lambda: cluster.status().get("frozen"), what="the freeze")
            cluster.ingest(LATER[70:])  # after the last round's: a round of its own
            cluster["trainer-0"].cont()
            self.outcome(cluster, [120, 36 + 70, 10])
            self.assertEqual(len(cluster.asked()), 120 + 36 + 70 + 10)

    def test_the_audit_between_the_freeze_and_the_end(self):
        for phase in ("embed", "annotate"):
            with self.subTest(phase), Cluster(**SLOWLY) as cluster:
                cluster.run(FIRST)
                self.hold(cluster)
                cluster.ingest(LATER[:60])
                if phase == "embed":
                    cluster["trainer-0"].pause()
                self.release(cluster)
                cluster.wait(lambda: cluster.status().get("frozen"), what="the freeze")
                cluster.wait_phase(phase, round=0)
                cluster.ingest(LATER[60:])
                cluster.audit()

    def test_zero_shot(self):
        with Cluster(latency_ms=20, task={"rounds": "[{shots: 0}]"}) as cluster:
            cluster.run(FIRST)
            self.hold(cluster)
            cluster.ingest(LATER)
            self.release(cluster)
            self.outcome(cluster, [200])
            self.assertEqual({r["shots"] for r in cluster.asked()}, {0})

    def test_from_one_sample_on(self):
        """The vocabulary is fitted again as the samples double; E12."""
        with Cluster(latency_ms=100) as cluster:
            cluster.run(ROWS[:1])
            cluster.wait_phase("annotate")
            cluster["annotator-0"].pause()
            cluster.ingest(ROWS[1:60])
            cluster["annotator-0"].cont()
            cluster.wait(lambda: cluster.status().get("in_round") == 60, what="the second part")
            cluster.ingest(ROWS[60:])
            cluster.finish()
            self.assertEqual(len({r["id"] for r in cluster.labels()}), 200)
            cluster.audit()

    def test_all_alike(self):
        """E12: one class, one text, the arrivals too."""
        rows = [dict(r, text="play the audio", label="sound") for r in ROWS[:40]]
        # One question for all: kept replies would end the phase at once.
        task = {**SLOWLY["task"], "more": "cache: off\n"}
        with Cluster(**{**SLOWLY, "task": task}) as cluster:
            cluster.run(rows[:30])
            self.hold(cluster)
            cluster.ingest(rows[30:])
            self.release(cluster)
            self.outcome(cluster, [40, 12])

    def test_a_steady_stream_holds_nothing_open(self):
        with Cluster(annotators=2, **SLOWLY) as cluster:
            cluster.run(FIRST)
            sent, ended = [], threading.Event()

            def send():
                for row in LATER:
                    if ended.wait(0.1):
                        break
                    cluster.ingest([row])
                    sent.append(row)

            sender = threading.Thread(target=send)
            sender.start()
            try:
                cluster.wait(lambda: cluster.status().get("round", 0) >= 1, what="round 1")
                self.assertTrue(sender.is_alive())
            finally:
                ended.set()
                sender.join()
            cluster.finish()
            self.assertEqual(len(cluster.labels()), len(FIRST) + len(sent))
            cluster.audit()


if __name__ == "__main__":
    main()
