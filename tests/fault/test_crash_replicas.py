"""Trainer replicas: they share a round's folds, any of them can do what another one left, and
which of them did what shows in no label and not in the model."""
import re
import unittest

from cluster import Cluster, main
from topics import samples
from undisturbed import assert_same

COUNT = 200


def jobs(cluster, name, kind):
    """(round, item) of the works of a kind that the trainer has finished."""
    found = re.findall(rf"job_done kind={kind} round=(\d+) item=(\d+)", cluster[name].text())
    return {(int(round_no), int(item)) for round_no, item in found}


class Replicas(unittest.TestCase):
    def start_in_turn(self, cluster, crash=None):
        """trainer-0 is the coordinator's first."""
        cluster.start(without=["trainer-0", "trainer-1"])
        cluster["trainer-0"].start(crash=crash)
        cluster.wait(lambda: cluster.status().get("workers", {}).get("trainer") == 1, what="the first trainer")
        cluster["trainer-1"].start()
        cluster.wait(lambda: cluster.status().get("workers", {}).get("trainer") == 2, what="the second trainer")

    def test_folds_are_shared(self):
        with Cluster(trainers=2) as cluster:
            self.start_in_turn(cluster)
            cluster.run(samples(COUNT)).finish()
            done = [jobs(cluster, name, "train") for name in ("trainer-0", "trainer-1")]
            self.assertFalse(done[0] & done[1])
            rounds = cluster.status()["rounds"]
            for round_no in range(rounds):
                shares = [len([1 for r, _ in part if r == round_no]) for part in done]
                self.assertGreaterEqual(min(shares), 1, f"round {round_no}: {shares}")
            assert_same(self, cluster, COUNT)

    def die_at(self, crash):
        """trainer-0 dies there and stays dead: trainer-1 does the rest."""
        with Cluster(trainers=2) as cluster:
            self.start_in_turn(cluster, crash)
            cluster.run(samples(COUNT)).finish()
            self.assertFalse(cluster["trainer-0"].alive(), crash)
            assert_same(self, cluster, COUNT)

    def test_dead_in_a_fold(self):
        self.die_at("train_step:40")

    def test_dead_with_a_trained_fold(self):
        self.die_at("fold_trained:2")

    def test_dead_in_a_checkpoint(self):
        self.die_at("checkpoint_written:1")

    def test_dead_with_the_model_that_it_made(self):
        """The other one pulls the model from the coordinator."""
        with Cluster(trainers=2) as cluster:
            self.start_in_turn(cluster, "predict_block:1")
            cluster.run(samples(COUNT)).finish()
            self.assertFalse(cluster["trainer-0"].alive())
            self.assertEqual(len(jobs(cluster, "trainer-1", "predict")), 1)
            made = [name for name in ("trainer-0", "trainer-1") if any(
                item == max(i for _, i in jobs(cluster, "trainer-0", "train") | jobs(cluster, "trainer-1", "train"))
                for _, item in jobs(cluster, name, "train"))]
            self.assertEqual(made, ["trainer-0"])
            assert_same(self, cluster, COUNT)

    def test_data_of_another_project_is_no_hindrance(self):
        """The coordinator starts anew on an empty project; selector and trainer keep their data."""
        with Cluster() as cluster:
            cluster.run(samples(COUNT)[:50]).finish()
            for name in ("coordinator", "selector", "trainer-0", "annotator-0"):
                cluster[name].stop()
            cluster.forget_project()
            cluster.run(samples(COUNT)).finish()
            for name in ("selector", "trainer-0"):
                self.assertIn("data_removed", cluster[name].text())
            assert_same(self, cluster, COUNT)


if __name__ == "__main__":
    main()
