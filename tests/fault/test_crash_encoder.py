"""A6 under a model of type encoder: the trainer dies in the middle of an epoch, when one has just been kept, and
around the model's folder. Its successor goes on from the last epoch; labels and model are those of an undisturbed run."""
import collections
import functools
import pathlib
import sys
import tempfile
import unittest

from cluster import Cluster, main, slow

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "service"))
import checkpoint  # noqa: E402
from topics import samples  # noqa: E402

COUNT = 80
EPOCHS = 6
FOLDER = tempfile.TemporaryDirectory(prefix="freeal-checkpoint-")


def cluster(path=None, trainers=1):
    if not path:
        path = pathlib.Path(FOLDER.name) / "tiny"
        if not path.exists():
            checkpoint.write(path)
    model = f"{{type: encoder, path: {path}, tokens: 24, batch: 16, rate: 0.003, epochs: {EPOCHS}}}"
    return Cluster(task={"rounds": "[{shots: 6}]", "model": model}, trainers=trainers)


@functools.cache
def undisturbed():
    """(labels, the model's files, {point: times} of the trainer)"""
    with cluster() as c:
        c["trainer-0"].start(crash_list=c.path / "points")
        c.run(samples(COUNT)).finish()
        return c.labels_text(), c.model(), collections.Counter((c.path / "points").read_text().split())


class Encoder(unittest.TestCase):
    def die_at(self, crash):
        """The points that the successor passed."""
        with cluster() as c:
            c["trainer-0"].start(crash=crash)
            c.supervise("trainer-0", lambda: {"crash_list": c.path / "points"})
            c.run(samples(COUNT)).finish()
            self.assertEqual(c.deaths["trainer-0"], 1, crash)
            labels, model, _ = undisturbed()
            self.assertEqual(c.labels_text(), labels)
            self.assertEqual(c.model(), model)
            self.assertNotIn("run_failed", c["coordinator"].text())
            self.assertFalse(list(c.project.glob("trainer/*/training*")))
            c.audit()
            return collections.Counter((c.path / "points").read_text().split())

    def test_a6_in_the_middle_of_an_epoch(self):
        self.die_at(f"train_step:{undisturbed()[2]['train_step'] - 3}")

    def test_a6_when_an_epoch_has_been_written(self):
        left = 2
        points = self.die_at(f"epoch_written:{undisturbed()[2]['epoch_written'] - left}")
        # It dies before that epoch counts.
        self.assertLessEqual(points["epoch_written"], left + 1)

    def test_a6_when_the_model_is_in_its_place(self):
        self.die_at("encoder_saved:1")

    @slow
    def test_a6_at_each_point(self):
        points = undisturbed()[2]
        self.assertLessEqual({"epoch_written", "weights_written", "fold_trained", "folder_renamed"}, set(points))
        for point, count in sorted(points.items()):
            for n in sorted({1, 2, count // 3, 2 * count // 3, count - 1} - {0, -1}):
                if n < count // 2 + 1 and n <= count:
                    with self.subTest(point, n=n):
                        self.die_at(f"{point}:{n}")


class TwoTrainers(unittest.TestCase):
    """They share the folds; which of them trains the model that is published is theirs to find out."""

    def setUp(self):
        self.cluster = cluster(trainers=2)
        self.addCleanup(self.cluster.close)

    def same_as_one(self):
        labels, model, _ = undisturbed()
        self.assertEqual(self.cluster.labels_text(), labels)
        self.assertEqual(self.cluster.model(), model)
        self.cluster.audit()

    def trained(self, name):
        return (self.cluster.path / f"points-{name}").read_text().split().count("fold_trained")

    def test_a6_folds_are_shared(self):
        names = ("trainer-0", "trainer-1")
        for name in names:
            self.cluster[name].start(crash_list=self.cluster.path / f"points-{name}")
        self.cluster.run(samples(COUNT)).finish()
        self.same_as_one()
        self.assertGreater(min(map(self.trained, names)), 0)

    def test_a6_one_of_two_dies_in_its_fold(self):
        self.cluster["trainer-1"].start(crash="fold_trained:1")
        self.cluster.run(samples(COUNT)).finish()
        self.assertFalse(self.cluster["trainer-1"].alive())
        self.same_as_one()


class NoCheckpoint(unittest.TestCase):
    def test_no_llm_is_asked_before_a_trainer_can_train(self):
        path = pathlib.Path(FOLDER.name) / "later"
        with cluster(path) as c:
            c.run(samples(COUNT))
            status = c.wait(lambda: (s := c.status())["blocked"] and s, what="the trainer's word")
            self.assertIn(str(path), status["blocked"])
            self.assertEqual((status["phase"], status["missing"]), ("generate", "trainer"))
            self.assertEqual(c.mock.records(), [])
            checkpoint.write(path)
            c.finish()
            self.assertIsNone(c.status()["blocked"])
            c.audit()


if __name__ == "__main__":
    main()
