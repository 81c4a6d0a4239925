"""A service whose store is gone: what others can't do without it is made again, in the same
round, and the labels are those of a run that lost nothing."""
import shutil
import subprocess
import unittest

from cluster import BIN, Cluster, main, slow
from topics import samples

ROWS = samples(160)
LATER = samples(200)[160:]


class Lost(unittest.TestCase):
    wanted = None

    @classmethod
    def setUpClass(cls):
        with Cluster() as cluster:
            cluster.run(ROWS).finish()
            cls.wanted = cluster.labels_text(), cluster.model()
            cluster.ingest(LATER)
            cluster.finish()
            cls.wanted_later = cluster.labels_text(), cluster.model()

    def start(self, cluster, name, crash):
        """Everything runs, and `name` dies at its crash point."""
        cluster[name].start(crash=crash)
        cluster.run(ROWS)
        cluster.wait(lambda: not cluster[name].alive(), what=f"the crash of {name}")

    def start_to(self, cluster, lease, phase):
        """The trainer dies when it gets this lease; no lease is given twice before."""
        self.start(cluster, "trainer-0", f"worker_lease:{lease}")
        cluster.wait(lambda: cluster.status().get("phase") == phase, what=phase)

    def lose(self, cluster, name):
        """The service comes back without all that it had."""
        cluster[name].kill()
        folder = cluster.project / name.split("-")[0]
        self.assertTrue(folder.exists())
        shutil.rmtree(folder)
        cluster[name].start()

    def finish(self, cluster, mended):
        cluster.finish()
        outcome = cluster.labels_text(), cluster.model()
        self.assertEqual(outcome, self.wanted)
        self.assertEqual(cluster["coordinator"].text().count(" input_lost "), mended)
        self.assertEqual(len(cluster.asked()), 160 + 48)
        cluster.audit()

    def test_the_selectors_store_before_each_of_its_jobs(self):
        # Retrieval and selection of round 0, of round 1.
        for job, mended in ((1, 1), (2, 1), (3, 1), (4, 1)):
            with self.subTest(job=job), Cluster() as cluster:
                self.start(cluster, "selector", f"job_start:{job}")
                self.lose(cluster, "selector")
                self.finish(cluster, mended)

    def test_the_coordinator_dies_as_it_goes_back(self):
        with Cluster() as cluster:
            cluster["coordinator"].start(crash="phase_mend:1")
            self.start(cluster, "selector", "job_start:3")
            self.lose(cluster, "selector")
            cluster.wait(lambda: not cluster["coordinator"].alive(), what="the coordinator's crash")
            cluster["coordinator"].start()
            self.finish(cluster, 2)  # nothing of the first time was on disk

    def test_the_selectors_store_while_the_llm_is_asked(self):
        with Cluster(latency_ms=40, task={"concurrency": 4}) as cluster:
            cluster.run(ROWS)
            cluster.wait_phase("annotate", round=0, done=20)
            self.lose(cluster, "selector")
            self.finish(cluster, 1)

    @slow
    def test_the_selectors_store_while_the_trainer_works(self):
        # Its leases: two of EMBED, five folds a round, the final training, PREDICT.
        for lease, phase, mended in ((5, "train", 1), (10, "train", 1), (13, "final_train", 2), (14, "predict", 0)):
            with self.subTest(lease=lease), Cluster(ttr_ms=4000) as cluster:
                self.start_to(cluster, lease, phase)
                self.lose(cluster, "selector")
                cluster["trainer-0"].start()
                self.finish(cluster, mended)

    @slow
    def test_the_selectors_store_after_the_end(self):
        with Cluster() as cluster:
            cluster.run(ROWS).finish()
            self.lose(cluster, "selector")
            cluster.ingest(LATER)
            cluster.finish()
            self.assertEqual((cluster.labels_text(), cluster.model()), self.wanted_later)
            cluster.audit()

    def test_the_trainers_store(self):
        for phase in ("train", "predict"):
            with self.subTest(phase), Cluster(ttr_ms=4000) as cluster:
                self.start_to(cluster, {"train": 4, "predict": 14}[phase], phase)
                self.lose(cluster, "trainer-0")
                self.finish(cluster, 0)

    def test_the_model(self):
        """The trainer's and the published one: the final training is done again."""
        with Cluster(ttr_ms=4000) as cluster:
            self.start_to(cluster, 14, "predict")
            shutil.rmtree(cluster.project / "model")
            self.lose(cluster, "trainer-0")
            self.finish(cluster, 1)

    def test_all_but_the_coordinators_store(self):
        """As restored from a backup of it alone."""
        for job in (1, 2, 3, 4):
            with self.subTest(job=job), Cluster() as cluster:
                self.start(cluster, "selector", f"job_start:{job}")
                cluster["coordinator"].kill()
                self.lose(cluster, "selector")
                self.lose(cluster, "trainer-0")
                cluster["coordinator"].start()
                self.finish(cluster, 1)

    def hold(self, cluster):
        cluster.wait_phase("annotate", round=0, done=10)
        cluster["annotator-0"].pause()

    def test_a_backup_beside_what_selector_and_trainer_stored_later(self):
        """It goes another way from there on, with other samples: nothing of theirs is used."""
        slowly = {"latency_ms": 40, "task": {"concurrency": 4}}
        with Cluster(**slowly) as cluster:
            cluster.run(ROWS)
            self.hold(cluster)
            cluster.ingest(LATER[20:])
            cluster["annotator-0"].cont()
            cluster.finish()
            wanted = cluster.labels_text(), cluster.model()
        with Cluster(**slowly) as cluster:
            cluster.run(ROWS)
            self.hold(cluster)
            port = (cluster.path / "port").read_text().strip()
            subprocess.run([BIN / "freeal", "backup", cluster.path / "copy", "--server", f"127.0.0.1:{port}",
                            "--token-file", cluster.project / "token"], check=True, capture_output=True)
            cluster.ingest(LATER[:20])
            cluster["annotator-0"].cont()
            cluster.finish()
            cluster.stop()
            shutil.rmtree(cluster.project / "coordinator")
            shutil.copytree(cluster.path / "copy" / "coordinator", cluster.project / "coordinator")
            cluster.acknowledged = {r["id"]: r["text"] for r in ROWS}
            cluster["coordinator"].start()
            cluster.ingest(LATER[20:])
            cluster.start().finish()
            self.assertFalse((cluster.project / "coordinator" / "copied").exists())
            self.assertEqual((cluster.labels_text(), cluster.model()), wanted)
            cluster.audit()

    def test_what_is_lost_again_and_again_ends_the_run(self):
        with Cluster() as cluster:
            cluster["selector"].start(crash="job_start:2")
            cluster.run(ROWS)
            for _ in range(4):
                cluster.wait(lambda: not cluster["selector"].alive(), what="the crash of the selector")
                shutil.rmtree(cluster.project / "selector")
                # The first job is to say what is missing; the second one dies.
                cluster["selector"].start(crash="job_start:2")
            failed = cluster.wait(lambda: cluster.status().get("failed"), what="the failure")
            self.assertIn("made again each time", failed)
            cluster["selector"].kill()
            # A person looked after the disk.
            cluster["coordinator"].restart()
            cluster["selector"].start()
            self.finish(cluster, 4)


if __name__ == "__main__":
    main()
