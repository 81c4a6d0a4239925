"""A3 to A7: workers die with work in their hands, at the points where it would hurt most. Their
leases end when they should and not before, each sample gets one label, and nothing that was
paid for is asked for again without need."""
import collections
import time
import unittest

from cluster import Cluster, main, slow
from topics import samples
from undisturbed import assert_same, undisturbed

COUNT = 200
IN_FLIGHT = 16


class Annotators(unittest.TestCase):
    def test_a3_leases_return_after_their_time_and_not_before(self):
        # No limit over both, of which the dead one would keep a share as long as its leases.
        with Cluster(annotators=2, latency_ms=400, ttr_ms=3000, task={"concurrency": None},
                     annotator_options=["--concurrency", IN_FLIGHT]) as cluster:
            first, second = cluster["annotator-0"], cluster["annotator-1"]
            cluster.run(samples(COUNT), without=["annotator-1"])
            cluster.wait(lambda: len(cluster.asked()) >= IN_FLIGHT, what="requests in flight")
            first.kill()
            killed_s, lost = time.monotonic(), {r["text"] for r in cluster.asked()}
            second.start()
            # The others go on at once, though the dead one's leases still run.
            cluster.wait(lambda: len(cluster.asked()) > len(lost), 2, "the other samples")
            cluster.wait(lambda: "lease_expired" in cluster["coordinator"].text(), 10, "the end of its leases")
            # Its last heartbeat was at most a fifteenth of a lease before its death.
            self.assertGreater(time.monotonic() - killed_s, 3.0 * 14 / 15 - 0.1)
            self.assertLess(time.monotonic() - killed_s, 3.0 + 0.7)
            self.assertFalse([r for r in cluster.asked()[len(lost):] if r["text"] in lost])
            assert_same(self, cluster, COUNT)

    def test_a3_killed_again_and_again(self):
        kills = 4
        with Cluster(annotators=3, latency_ms=60) as cluster:
            cluster.run(samples(COUNT))
            for i in range(kills):
                before = len(cluster.asked())
                cluster.wait(lambda: len(cluster.asked()) > before + 20 or cluster.status().get("finished"))
                cluster[f"annotator-{i % 3}"].restart()
            cluster.finish()
            self.assertLessEqual(len(cluster.asked()), undisturbed(COUNT)[2] + kills * IN_FLIGHT)
            counts = collections.Counter(r["text"] for r in cluster.asked())
            self.assertLess(max(counts.values()), 2 + kills)
            assert_same(self, cluster, COUNT)

    def die_at(self, crash):
        """An annotator dies there; its successor goes on."""
        with Cluster(annotators=1, latency_ms=5) as cluster:
            cluster["annotator-0"].start(crash=crash)
            cluster.supervise("annotator-0")
            cluster.run(samples(COUNT)).finish()
            self.assertEqual(cluster.deaths["annotator-0"], 1, crash)
            # In flight, and answered in the turn in which it died.
            self.assertLessEqual(len(cluster.asked()), undisturbed(COUNT)[2] + 2 * IN_FLIGHT)
            asked_all = len(cluster.mock.records())
            report = cluster.report()
            # What was asked twice is counted once at most: as the one annotation that was kept.
            self.assertEqual(sum(r["asked"] for r in report["rounds"]), undisturbed(COUNT)[2])
            self.assertLessEqual(report["usage"]["requests"], asked_all)
            assert_same(self, cluster, COUNT)

    def test_a4_killed_between_answer_and_result(self):
        self.die_at("worker_result:50")

    def test_a5_killed_between_result_and_acknowledgement(self):
        self.die_at("worker_sent:3")

    @slow
    def test_a4_at_many_answers(self):
        for n in [1, 2, 3, 4, 5, *range(20, 261, 40)]:  # of GENERATE and both rounds
            with self.subTest(n=n):
                self.die_at(f"worker_result:{n}")

    @slow
    def test_a5_at_many_results(self):
        for n in range(1, 13):
            with self.subTest(n=n):
                self.die_at(f"worker_sent:{n}")


class Jobs(unittest.TestCase):
    """A trainer or selector dies once at a point, and its successor goes on with its data."""

    COUNT = 100

    def die_at(self, name, crash):
        """Whether it came to that."""
        with Cluster() as cluster:
            cluster[name].start(crash=crash)
            cluster.supervise(name)
            cluster.run(samples(self.COUNT)).finish()
            died = cluster.deaths[name] > 0
            log, jobs = cluster["coordinator"].text(), cluster["selector"].text()
            for round in (0, 1):
                # Each round closes once; its selection is made anew at most once.
                self.assertEqual(log.count(f" phase phase=select round={round} "), 1)
                self.assertLessEqual(jobs.count(f" job_start kind=select round={round} "), 2)
            self.assertNotIn("run_failed", log)
            assert_same(self, cluster, self.COUNT)
            return died

    def passages(self, name):
        """{point: times} of an undisturbed run."""
        with Cluster() as cluster:
            cluster[name].start(crash_list=cluster.path / "points")
            cluster.run(samples(self.COUNT)).finish()
            return collections.Counter((cluster.path / "points").read_text().split())

    def die_everywhere(self, name, points):
        """The first, the last and some passages between, of each point."""
        passages = self.passages(name)
        self.assertLessEqual(points, set(passages))
        for point, count in sorted(passages.items()):
            for n in sorted({1, 2, count // 3, 2 * count // 3, count - 1} - {0, -1}):
                with self.subTest(point, n=n):
                    self.assertTrue(self.die_at(name, f"{point}:{n}") or n > count // 2, "it survived")

    def test_a6_trainer_in_the_middle_of_a_training(self):
        self.assertTrue(self.die_at("trainer-0", "train_step:100"))

    def test_a6_trainer_between_rename_and_sync_of_a_checkpoint(self):
        self.assertTrue(self.die_at("trainer-0", "folder_renamed:1"))

    def test_a7_selector_while_a_selection_is_written(self):
        self.assertTrue(self.die_at("selector", "rows_put:2"))

    @slow
    def test_a6_trainer_at_each_point(self):
        self.die_everywhere("trainer-0", {
            "checkpoint_written", "fold_trained", "folder_before", "folder_renamed", "job_start", "predict_block",
            "replica_before", "replica_after", "train_step", "worker_lease", "worker_result", "worker_sent"})

    @slow
    def test_a7_selector_at_each_point(self):
        self.die_everywhere("selector", {
            "history_commit", "job_start", "rows_put", "rows_end", "selector_commit", "worker_lease",
            "worker_result", "worker_sent"})


if __name__ == "__main__":
    main()
