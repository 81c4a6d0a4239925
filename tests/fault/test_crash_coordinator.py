"""A1, A2: the coordinator dies at any moment and at each point where dying could hurt. What was
acknowledged is there afterwards, once, and the run ends as if nothing had happened."""
import collections
import threading
import unittest

from cluster import Cluster, main, slow
from topics import samples
from undisturbed import assert_same, undisturbed

# Passages in a run of few samples differ from 3 to hundreds: the first ones one by one, the rest
# by a draw.
PASSAGES_ALL = 12
PASSAGES_DRAWN = 12


class Killer:
    """Kills the coordinator after 1 to 500 ms of life, again and again until `count` is reached
    or it is left."""

    def __init__(self, cluster, count, delay_ms_max=500):
        self.cluster, self.left = cluster, count
        self.delay_ms_max = delay_ms_max
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        coordinator = self.cluster["coordinator"]
        while self.left > 0 and not self.over.wait(self.cluster.random.uniform(0.001, self.delay_ms_max / 1000)):
            coordinator.restart()
            self.left -= 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class A1(unittest.TestCase):
    def kill_rounds(self, rounds, seed):
        """`rounds` kills, half of them while samples come in; then until the run is done."""
        count = 400
        with Cluster(annotators=2, seed=seed, latency_ms=20) as cluster:
            cluster.start().wait_ready()
            rows = samples(count)
            with Killer(cluster, rounds // 2) as killer:
                for at in range(0, count, 5):
                    cluster.ingest(rows[at:at + 5])
                while killer.left > 0:
                    # The same again: a producer that missed the answers.
                    self.assertEqual(cluster.ingest(rows, batch=5)["duplicates"], count)
            kills = rounds - rounds // 2
            with Killer(cluster, kills) as killer:
                cluster.post("/v1/start", b"{}")
                cluster.finish(timeout=300)
            killed = kills - killer.left
            cluster.wait_ready()
            self.assertEqual(len(cluster.labels()), count)
            self.assertEqual(len(cluster.asked()), undisturbed(count)[2], "an answer was paid twice")
            assert_same(self, cluster, count)
            return rounds // 2 + killed

    def test_a1_killed_at_random_times(self):
        self.assertGreater(self.kill_rounds(8, None), 4)

    @slow
    def test_a1_killed_at_random_times_200_rounds(self):
        killed, seed = 0, 1
        while killed < 200:
            killed += self.kill_rounds(20, seed)
            seed += 1


class A2(unittest.TestCase):
    COUNT = 60

    def passages(self):
        """{point: times} of an undisturbed run."""
        with Cluster() as cluster:
            cluster["coordinator"].start(crash_list=cluster.path / "points")
            cluster.run(samples(self.COUNT)).finish()
            # One start more, with something to load.
            cluster["coordinator"].restart(crash_list=cluster.path / "points")
            cluster.finish()
            names = (cluster.path / "points").read_text().split()
        return collections.Counter(names)

    def die_at(self, crash):
        """One run whose coordinator dies there once; whether it did."""
        with Cluster(annotators=1) as cluster:
            lives = iter([crash])
            cluster["coordinator"].start(crash=next(lives))
            cluster.supervise("coordinator")
            cluster.run(samples(self.COUNT)).finish()
            if crash.startswith("replay") and not cluster.deaths["coordinator"]:
                cluster["coordinator"].restart(crash=crash)
                cluster.finish()
            died = cluster.deaths["coordinator"] > 0
            assert_same(self, cluster, self.COUNT)
            return died

    def test_a2_every_life_ends_at_a_point(self):
        """Each point in turn is passed once and kills the next time, in every life."""
        for point in ("commit_before", "commit_after", "lease_after"):
            with self.subTest(point), Cluster(annotators=1) as cluster:
                def options():
                    return {"crash": f"{point}:{cluster.random.randrange(2, 12)}"}
                cluster["coordinator"].start(**options())
                cluster.supervise("coordinator", options)
                cluster.run(samples(self.COUNT)).finish()
                self.assertGreater(cluster.deaths["coordinator"], 2)
                cluster.supervised.clear()
                cluster["coordinator"].restart()
                assert_same(self, cluster, self.COUNT)

    def test_a2_the_model_is_whole_at_each_point(self):
        for point in ("task_written", "task_renamed", "model_before", "folder_renamed", "model_after"):
            with self.subTest(point):
                self.assertTrue(self.die_at(f"{point}:1"))

    def test_a2_nothing_is_acknowledged_before_it_is_on_disk(self):
        """Dying late, with the other threads awake: an acknowledgement that was given before the
        commit would get out."""
        rows = samples(self.COUNT)
        with Cluster() as cluster:
            def options():
                return {"crash": f"commit_before:{cluster.random.randrange(2, 6)}", "delay_ms": 60}
            cluster["coordinator"].start(**options())
            cluster.supervise("coordinator", options)
            for at in range(0, self.COUNT, 5):
                cluster.ingest(rows[at:at + 5])
            self.assertGreater(cluster.deaths["coordinator"], 2)
            cluster.supervised.clear()
            cluster["coordinator"].restart()
            self.assertEqual(cluster.wait_ready()["samples"], self.COUNT)
            # Of the LLM's answers none is lost, so none is asked for again.
            deaths = cluster.deaths["coordinator"]
            cluster["coordinator"].restart(crash="commit_before:12", delay_ms=60)
            cluster.supervise("coordinator")
            cluster.run(rows).finish()
            self.assertGreater(cluster.deaths["coordinator"], deaths)
            self.assertEqual(len(cluster.asked()), undisturbed(self.COUNT)[2])
            assert_same(self, cluster, self.COUNT)

    @slow
    def test_a2_each_passage_of_each_point(self):
        passages = self.passages()
        self.assertLessEqual({
            "commit_before", "commit_after", "ack_after", "lease_before", "lease_after", "phase_end", "pull_chunk",
            "replay", "model_before", "folder_before", "folder_renamed", "model_after", "task_written",
            "task_renamed"}, set(passages))
        for point, count in sorted(passages.items()):
            rest = range(PASSAGES_ALL + 1, count + 1)
            with Cluster() as cluster:
                drawn = cluster.random.sample(rest, min(len(rest), PASSAGES_DRAWN))
            for n in [*range(1, min(count, PASSAGES_ALL) + 1), *sorted(drawn)]:
                with self.subTest(point, n=n):
                    # How many there are depends on timing, but for the first.
                    self.assertTrue(self.die_at(f"{point}:{n}") or n > 1, "it survived")
            self.assertFalse(self.die_at(f"{point}:{10 * count + 100}"))


class CatchUp(unittest.TestCase):
    """A2 with samples that come when the rounds are over: they get a round of their own."""

    def outcome(self, crash=None):
        rows = samples(100)
        with Cluster() as cluster:
            cluster.run(rows[:60]).finish()
            first = cluster.model()
            cluster["coordinator"].stop()
            cluster["coordinator"].start(crash=crash)
            cluster.supervise("coordinator")
            cluster.ingest(rows[60:])
            # There is a whole model at all times: the old one until the new one is there.
            while not (cluster.status().get("finished") and cluster.status()["samples"] == 100):
                try:
                    self.assertEqual(set(cluster.model()), set(first))
                except OSError:
                    cluster.wait_ready()
            outcome = cluster.labels_text(), cluster.model(), len(cluster.report()["rounds"])
            died = cluster.deaths["coordinator"]
            cluster.audit()
            return outcome, died

    def test_a2_the_model_is_replaced_at_each_point(self):
        wanted, _ = self.outcome()
        self.assertEqual(wanted[2], 3)
        for point in ("folder_before", "folder_renamed"):
            with self.subTest(point):
                outcome, died = self.outcome(f"{point}:1")
                self.assertEqual(died, 1)
                self.assertEqual(outcome, wanted)

    @slow
    def test_a2_a_catch_up_at_each_point(self):
        wanted, _ = self.outcome()
        for point, n_max in (("commit_before", 24), ("commit_after", 24), ("phase_end", 8), ("lease_after", 12),
                             ("ack_after", 12), ("pull_chunk", 3), ("model_before", 1), ("model_after", 1)):
            for n in range(1, n_max + 1):
                with self.subTest(point, n=n):
                    outcome, died = self.outcome(f"{point}:{n}")
                    self.assertTrue(died or n > 1)
                    self.assertEqual(outcome, wanted)


if __name__ == "__main__":
    main()
