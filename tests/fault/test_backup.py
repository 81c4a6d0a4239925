"""`freeal backup` of a project that runs: the copy is sound, and goes on to the same end as the
original, whose selector and trainers it does without."""
import json
import pathlib
import shutil
import subprocess
import unittest

from cluster import BIN, Cluster, main
from topics import samples


class Backup(unittest.TestCase):
    def backup(self, cluster, code=0, folder="copy"):
        """The folder of the copy, and what was said."""
        folder = cluster.path / folder
        port = (cluster.path / "port").read_text().strip()
        result = subprocess.run([BIN / "freeal", "backup", folder, "--server", f"127.0.0.1:{port}", "--token-file",
                                 cluster.project / "token"], capture_output=True, encoding="utf-8")
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return folder, result.stdout + result.stderr

    def restored(self, folder, count):
        """Labels and model of a run that goes on from the copy."""
        with Cluster(annotators=2) as cluster:
            shutil.copytree(folder, cluster.project, dirs_exist_ok=True)
            cluster.start()
            cluster.post("/v1/start", b"{}")
            cluster.wait(lambda: cluster.status().get("samples", 0) >= count, 30, "the samples")
            cluster.finish()
            outcome = cluster.labels_text(), cluster.model()
            cluster.audit()
            return outcome

    def check(self, phase, round, done, held):
        """A copy made in that phase, which the worker `held` doesn't finish meanwhile."""
        rows = samples(200)
        with Cluster(annotators=1, latency_ms=150, task={"concurrency": 10}) as cluster:
            cluster.run(rows)
            cluster.wait_phase(phase, round=round, done=done)
            cluster[held].pause()
            folder, said = self.backup(cluster)
            self.assertIn("I1 ok (200 samples: ", said)
            cluster[held].cont()
            cluster.finish()
            wanted = cluster.labels_text(), cluster.model()
            secrets = [p for p in folder.rglob("*") if p.name == "token" or p.suffix == ".key"]
            self.assertEqual(secrets, [])
            kept = cluster.path.parent / (cluster.path.name + "-kept")
            shutil.copytree(folder, kept)
            self.addCleanup(shutil.rmtree, kept)
            cluster.audit()
        self.assertEqual(self.restored(kept, len(rows)), wanted)

    def test_while_the_first_round_annotates(self):
        self.check("annotate", 0, 30, "annotator-0")

    def test_while_the_second_round_annotates(self):
        self.check("annotate", 1, 10, "annotator-0")

    def test_of_a_finished_project_that_is_stopped(self):
        with Cluster() as cluster:
            cluster.run(samples(60)).finish()
            model = cluster.model()
            cluster.stop()
            folder = cluster.path / "copy"
            result = subprocess.run([BIN / "freeal", "backup", folder, "--project", cluster.project],
                                    capture_output=True, encoding="utf-8")
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            self.assertIn("I8 ok", result.stdout)
            self.assertEqual({p.name: p.read_bytes() for p in (folder / "model").iterdir()}, model)
            self.assertEqual(sorted(p.name for p in folder.iterdir()), ["coordinator", "model", "task.yaml"])

    def test_a_folder_that_is_not_empty_is_refused(self):
        with Cluster() as cluster:
            cluster.run(samples(20))
            taken = cluster.path / "taken"
            taken.mkdir()
            (taken / "file").write_text("mine")
            _, said = self.backup(cluster, code=2, folder="taken")
            self.assertIn("is not empty", said)
            self.assertEqual([p.name for p in taken.iterdir()], ["file"])
            (cluster.path / "empty").mkdir()
            self.backup(cluster, folder="empty")
            cluster.finish()

    def test_nothing_is_left_where_the_coordinator_dies(self):
        with Cluster() as cluster:
            cluster.run(samples(20)).finish()
            cluster["coordinator"].kill()
            folder = cluster.path / "copy"
            port = (cluster.path / "port").read_text().strip()
            result = subprocess.run([BIN / "freeal", "backup", folder, "--server", f"127.0.0.1:{port}",
                                     "--token-file", cluster.project / "token"], capture_output=True, encoding="utf-8")
            self.assertEqual(result.returncode, 1, result.stdout + result.stderr)
            self.assertFalse(folder.exists())
            cluster["coordinator"].start()


if __name__ == "__main__":
    main()
