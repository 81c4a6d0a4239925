"""`freeal doctor --audit` on projects that services made, and on damaged copies of them; I10."""
import os
import shutil
import subprocess
import unittest

from cluster import BIN, Cluster, main
from leaks import find_leaks
from topics import samples

API_KEY = "sk-test-5b1f3a7c9d"


def doctor(*arguments):
    result = subprocess.run([BIN / "freeal", "doctor", "--audit", *arguments], capture_output=True, encoding="utf-8")
    return result.returncode, result.stdout + result.stderr


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Cluster() as cluster:
            cluster.run(samples(150)).finish()
            cls.running = doctor("--project", cluster.project)
            cls.audit = cluster.audit()
            cls.kept = cluster.path.parent / (cluster.path.name + "-kept")
            shutil.copytree(cluster.project, cls.kept, symlinks=True)
        cls.addClassCleanup(shutil.rmtree, cls.kept)

    def setUp(self):
        self.copy = self.kept.with_name(self.kept.name + "-copy")
        shutil.copytree(self.kept, self.copy, symlinks=True)
        self.addCleanup(shutil.rmtree, self.copy)

    def change(self, name, old, new):
        path = self.copy / name
        data = path.read_bytes()
        self.assertIn(old, data)
        path.write_bytes(data.replace(old, new))

    def test_a_running_project_is_left_alone(self):
        code, said = self.running
        self.assertEqual(code, 3, said)
        self.assertIn("is in use by another process", said)

    def test_every_store_is_read(self):
        for line in ("I1 ok (150 samples: ", "I1 ok (150 embeddings)", "I1 ok (150 samples)", "I8 ok (", "audit ok"):
            self.assertIn(line, self.audit)
        code, said = doctor("--project", self.copy)
        self.assertEqual(code, 0, said)

    def test_single_stores(self):
        code, said = doctor("--selector", self.copy / "selector", "--trainer", self.copy / "trainer")
        self.assertEqual(code, 0, said)
        self.assertNotIn("freeal-coordinator", said)
        code, said = doctor("--coordinator", self.copy)
        self.assertEqual(code, 0, said)
        self.assertNotIn("freeal-selector", said)
        code, said = doctor("--selector", self.copy)
        self.assertEqual(code, 2, said)
        self.assertIn("there is no store", said)

    def test_nothing_is_changed(self):
        def files():
            return {p: p.read_bytes() for p in self.copy.rglob("*") if p.is_file()}
        before = files()
        self.assertEqual(doctor("--project", self.copy)[0], 0)
        self.assertEqual(files(), before)

    def test_a_changed_byte_of_each_store(self):
        text = samples(150)[17]["text"].encode()
        for name in ("coordinator/data.mdb", "trainer/0/data.mdb"):
            with self.subTest(store=name):
                self.change(name, text, text.swapcase())
                code, said = doctor("--project", self.copy)
                self.assertEqual(code, 1, said)
                self.assertIn("I2 FAILED: the record of table samples, key 17,", said)
                self.assertIn("audit FAILED for ", said)

    def test_a_cut_store(self):
        for name in ("coordinator", "selector"):
            with self.subTest(store=name):
                path = self.copy / name / "data.mdb"
                os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)
                code, said = doctor("--project", self.copy)
                self.assertEqual(code, 4, said)
                self.assertIn("data.mdb is cut off", said)
        path = self.copy / "coordinator" / "data.mdb"
        path.write_bytes(b"garbage" * 10000)
        self.assertEqual(doctor("--project", self.copy)[0], 4)

    def test_b8_a_cut_store_is_refused_by_its_service(self):
        path = self.copy / "coordinator" / "data.mdb"
        os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)
        result = subprocess.run([BIN / "freeal-coordinator", "--project", self.copy], capture_output=True,
                                encoding="utf-8")
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertIn("data.mdb is cut off", result.stderr)

    def test_a_torn_model(self):
        weights = self.copy / "model" / "weights.bin"
        os.truncate(weights, weights.stat().st_size - 1)
        code, said = doctor("--project", self.copy)
        self.assertEqual(code, 1, said)
        self.assertIn("I8 FAILED: ", said)

    def test_an_acknowledged_sample_that_is_not_there(self):
        lines = self.copy / "acknowledged"
        lines.write_text('{"id": "s3"}\n{"id": "never"}\n')
        code, said = doctor("--project", self.copy, "--acknowledged", lines)
        self.assertEqual(code, 1, said)
        self.assertIn('I2 FAILED: the acknowledged sample "never" is not there', said)


class Secrets(unittest.TestCase):
    def test_i10_keys_are_nowhere(self):
        os.environ["FREEAL_TEST_API_KEY"] = API_KEY
        self.addCleanup(os.environ.pop, "FREEAL_TEST_API_KEY")
        # A wrong key is what error messages are made of: for each request that is sent at once.
        script = [{"count": 3, "status": 401, "error": "invalid_api_key"}]
        with Cluster(tcp=True, script=script, task={"rounds": "[{shots: 6}]"}) as cluster:
            task = cluster.path / "task.yaml"
            task.write_text(task.read_text().replace("llm: {", "llm: {key_env: FREEAL_TEST_API_KEY, "))
            os.environ["FREEAL_LOG_LEVEL"] = "debug"
            self.addCleanup(os.environ.pop, "FREEAL_LOG_LEVEL")
            cluster.run(samples(60))
            cluster.wait(lambda: cluster.status().get("blocked"), 30, "the wrong key to be told")
            self.assertNotIn(API_KEY, cluster.status()["blocked"])
            cluster["annotator-0"].restart()  # a person has mended it
            cluster.finish()
            self.assertTrue(all(r["authorization"] for r in cluster.asked()))
            said = cluster.audit()
            self.assertIn("I10 ok (1 secrets looked for", said)
            self.assertEqual(find_leaks(cluster.path, {"API key": API_KEY.encode()}), [])
            log = cluster.path / "annotator-0.log"
            log.write_text(log.read_text() + API_KEY)
            self.assertEqual(find_leaks(cluster.path, {"API key": API_KEY.encode()}),
                             [("annotator-0.log", "API key")])


if __name__ == "__main__":
    main()
