"""All faults of this folder at random, by a seed: kills, pauses, clean stops, of any service, one
after another, while a run goes on. What must hold at the end is what holds without them."""
import threading
import unittest

from cluster import Cluster, main, slow
from topics import samples
from undisturbed import assert_same

COUNT = 400


class Storm:
    """Disturbs a cluster `count` times, in a thread of its own, from `with` on."""

    def __init__(self, cluster, count):
        self.cluster, self.count = cluster, count
        self.random = cluster.random
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.done = []
        self.failed = None

    def disturb(self, service):
        kind = self.random.choice(("kill", "kill", "stop", "pause", "long pause", "late"))
        self.done.append(f"{kind} {service.name}")
        if kind == "kill":
            service.restart()
        elif kind == "stop":
            code = service.stop()
            if code != 0:
                raise AssertionError(f"{service.name} ended with {code} on SIGTERM")
            service.start()
        elif kind == "late":
            service.kill()
            self.over.wait(self.random.uniform(0.1, 1.5))
            service.start()
        else:
            service.pause()
            self.over.wait(self.random.uniform(0.05, 0.5) if kind == "pause" else 2.2)
            service.cont()

    def run(self):
        services = list(self.cluster.services.values())
        while self.count > 0 and not self.over.wait(self.random.uniform(0.02, 0.3)):
            self.count -= 1
            try:
                self.disturb(self.random.choice(services))
            except Exception as e:
                self.failed = e
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join()
        if kind is not None:
            print("disturbed by: " + ", ".join(self.done))
        elif self.failed:
            raise self.failed


class Storms(unittest.TestCase):
    def same_labels(self, seed, **options):
        """All samples are there at the start: labels and model are those of a calm run."""
        with Cluster(annotators=2, seed=seed, latency_ms=30, **options) as cluster:
            cluster.run(samples(COUNT))
            with Storm(cluster, 30):
                cluster.finish(timeout=180)
            assert_same(self, cluster, COUNT)

    def all_labelled(self, seed):
        """Samples stream in meanwhile: each that was acknowledged has a label."""
        rows = samples(COUNT)
        with Cluster(annotators=2, seed=seed, latency_ms=30) as cluster:
            cluster.run(rows[:100])
            with Storm(cluster, 30) as storm:
                for at in range(100, COUNT, 20):
                    cluster.ingest(rows[at:at + 20])
                    left = storm.count
                    cluster.wait(lambda: storm.count < left or not storm.thread.is_alive())
                cluster.finish(timeout=180)
            self.assertEqual(len(cluster.labels()), COUNT)
            cluster.audit()

    def test_labels_stay_the_same(self):
        self.same_labels(None)

    @slow
    def test_labels_stay_the_same_for_many_seeds(self):
        for seed in range(20):
            with self.subTest(seed=seed):
                self.same_labels(seed)

    @slow
    def test_labels_stay_the_same_over_a_network(self):
        for seed in range(5):
            with self.subTest(seed=seed):
                self.same_labels(seed, tcp=True)

    @slow
    def test_all_that_streams_in_is_labelled(self):
        for seed in range(20):
            with self.subTest(seed=seed):
                self.all_labelled(seed)


if __name__ == "__main__":
    main()
