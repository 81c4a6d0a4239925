"""freeal keys: makes what is missing, keeps what is there, and says what to do where neither will do."""
import os
import pathlib
import stat
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["FREEAL_BIN"])
ROLES = ("coordinator", "selector", "trainer", "annotator")
SERVERS = {"coordinator": (), "selector": ("coordinator",), "trainer": ("coordinator", "selector"),
           "annotator": ("coordinator",)}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="freeal-test-")
        self.addCleanup(folder.cleanup)
        self.keys = pathlib.Path(folder.name) / "some" / "keys"

    def run_keys(self, *options, code=0, crash=None):
        env = dict(os.environ, **({"CRASH_AT": crash} if crash else {}))
        done = subprocess.run([BIN / "freeal", "keys", self.keys, *options], env=env, text=True, capture_output=True,
                              timeout=60)
        self.assertEqual(code, done.returncode, done.stderr)
        for secret in self.secrets():
            self.assertNotIn(secret, done.stdout + done.stderr)
        return done.stderr

    def path(self, role, host=None):
        return self.keys / (role + ("-" + host if host else "")) / (role + ".key")

    def lines(self, path):
        return [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]

    def one(self, path, word):
        return [line[-1] for line in self.lines(path) if line[0] == word]

    def secrets(self):
        return [line.split()[1] for path in self.keys.rglob("*.key*") for line in path.read_text().splitlines()
                if line.startswith("secret ")]

    def contents(self):
        return {path: path.read_bytes() for path in self.keys.rglob("*") if path.is_file()}

    def check_set(self, hosts=()):
        """The files are there, private, and fit each other."""
        wanted = {self.path(role) for role in ROLES} | {self.path("annotator", host) for host in hosts}
        self.assertEqual(wanted, {path for path in self.keys.rglob("*") if path.is_file()})
        public = {}
        for path in wanted:
            self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))
            self.assertEqual([path.stem], self.one(path, "role"))
            public[path] = self.one(path, "public")[0]
        self.assertEqual(len(wanted), len(set(public.values())))
        for path in wanted:
            servers = {line[1]: line[2] for line in self.lines(path) if line[0] == "server"}
            self.assertEqual({role: public[self.path(role)] for role in SERVERS[path.stem]}, servers)
        for server in ("coordinator", "selector"):
            listed = sorted(line[1:3] for line in self.lines(self.path(server)) if line[0] == "client")
            self.assertEqual(sorted([path.stem, public[path]] for path in wanted if server in SERVERS[path.stem]),
                             listed)

    def test_makes_all_once(self):
        said = self.run_keys()
        self.assertEqual(4, said.count("made "))
        self.check_set()
        before = self.contents()
        self.assertIn("already", self.run_keys())
        self.assertEqual(before, self.contents())

    def test_a_lost_client_key_is_made_again(self):
        self.run_keys()
        for role in ("annotator", "trainer"):
            old = self.path(role).read_text()
            others = {other: self.one(self.path(other), "secret") for other in ROLES if other != role}
            self.path(role).unlink()
            self.assertIn("lists the new keys", self.run_keys())
            self.check_set()
            self.assertNotEqual(old, self.path(role).read_text())
            self.assertEqual(others, {other: self.one(self.path(other), "secret") for other in others})

    def test_a_lost_server_key_is_not_replaced(self):
        self.run_keys()
        self.path("selector").unlink()
        before = self.contents()
        said = self.run_keys(code=2)
        self.assertIn(str(self.path("selector")) + " is missing", said)
        self.assertIn(str(self.path("trainer")), said)
        self.assertNotIn(str(self.path("annotator")), said)
        self.assertEqual(before, self.contents())
        # What it says to do helps.
        self.path("trainer").unlink()
        self.run_keys()
        self.check_set()
        self.path("coordinator").unlink()
        said = self.run_keys(code=2)
        for role in ROLES:
            self.assertIn(str(self.path(role)), said)
            self.path(role).unlink(missing_ok=True)
        self.run_keys()
        self.check_set()

    def test_files_of_two_sets_are_noticed(self):
        self.run_keys()
        kept = self.path("annotator").read_bytes()
        self.path("annotator").unlink()
        self.run_keys()
        self.path("annotator").write_bytes(kept)
        said = self.run_keys(code=2)
        self.assertIn("%s doesn't fit %s" % (self.path("annotator"), self.path("coordinator")), said)
        self.path("annotator").unlink()
        self.run_keys()
        self.check_set()

    def test_a_key_for_one_host(self):
        self.run_keys("--annotator", "alpha")
        self.check_set(["alpha"])
        said = self.run_keys("--annotator", "beta.example.org")
        self.assertIn("lists the new keys", said)
        self.check_set(["alpha", "beta.example.org"])
        self.assertIn(["client", "annotator", self.one(self.path("annotator", "alpha"), "public")[0], "alpha"],
                      self.lines(self.path("coordinator")))
        before = self.contents()
        self.run_keys("--annotator", "alpha")
        self.assertEqual(before, self.contents())
        for name in ("", "a b", "../x", "x" * 64):
            self.run_keys("--annotator", name, code=2)
        self.assertEqual(before, self.contents())

    def test_a_killed_run_is_gone_on_with(self):
        for crash in ("keys_staged:1", "keys_named:1", "keys_named:2", "keys_named:3"):
            with self.subTest(crash):
                self.run_keys(crash=crash, code=-9)
                self.run_keys()
                self.check_set()
                for role in ROLES:
                    self.path(role).unlink()
        self.run_keys()
        # Between the trainer's new key and its listing in one server, both servers, its name.
        for crash in ("keys_staged:1", "keys_listed:1", "keys_listed:2", "keys_listed:3", "keys_named:1"):
            with self.subTest("trainer " + crash):
                self.path("trainer").unlink()
                self.run_keys(crash=crash, code=-9)
                self.run_keys()
                self.check_set()

    def test_a_broken_or_open_file_is_not_touched(self):
        self.run_keys()
        self.path("trainer").write_text("role trainer\npublic x\n")
        self.assertIn("trainer.key:2: ", self.run_keys(code=2))
        self.path("trainer").unlink()
        self.run_keys()
        self.path("trainer").chmod(0o644)
        self.assertIn("chmod 600", self.run_keys(code=2))

    def test_a_folder_that_cannot_be_written(self):
        self.keys.parent.mkdir()
        self.keys.write_text("")
        self.assertIn("not a folder", self.run_keys(code=2))
        self.keys.unlink()
        self.keys.mkdir()
        (self.keys / "trainer").write_text("")
        self.assertIn("trainer is not a folder", self.run_keys(code=2))


if __name__ == "__main__":
    unittest.main()
