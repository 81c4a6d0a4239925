"""The order in which work is leased and comes back, and who does it, changes no label: what
all tests rely on that compare a disturbed run with an undisturbed one."""
import unittest

from cluster import Cluster, main
from topics import samples

# Answers overtake each other by up to a tenth of a second.
JITTER = [{"count": 0, "share": 0.3, "delay_ms": 100}, {"count": 0, "share": 0.3, "delay_ms": 20},
          {"count": 0, "share": 0.3, "delay_ms": 3}]


class Order(unittest.TestCase):
    def outcome(self, rows, **options):
        with Cluster(**options) as cluster:
            cluster.run(rows).finish()
            outcome = cluster.labels_text(), cluster.model()
            self.assertEqual(len(cluster.asked()), 260)
            cluster.audit()
            return outcome

    def test_one_annotator_and_three_and_random_latencies(self):
        rows = samples(200)
        wanted = self.outcome(rows, annotators=1)
        self.assertEqual(len(wanted[0].splitlines()), 200)
        for seed in range(2):
            with self.subTest(seed=seed):
                mock = ("--seed", str(seed))
                self.assertEqual(self.outcome(rows, annotators=3, script=JITTER, mock=mock), wanted)


if __name__ == "__main__":
    main()
