"""docker/supervise.sh: what is started again, what is not, and how it stops. No container is needed."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

SUPERVISE = pathlib.Path(__file__).parents[2] / "docker" / "supervise.sh"
DEADLINE_S = 40


class Supervise(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="freeal-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def start(self, script, restart="no"):
        """Runs a program that is this script and writes a line into `starts` when it starts."""
        process = subprocess.Popen([str(SUPERVISE), "it", "sh", "-c", "echo $$ >>starts\n" + script], cwd=self.folder,
                                   env=dict(os.environ, FREEAL_RESTART=restart), stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        return process

    def starts(self):
        path = self.folder / "starts"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def end(self, process):
        _, err = process.communicate(timeout=DEADLINE_S)
        return process.returncode, err

    def wait(self, true):
        until = time.monotonic() + DEADLINE_S
        while not true():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.02)

    def test_answers_are_not_repeated(self):
        for code in (0, 2, 3, 5):
            with self.subTest(code):
                (self.folder / "starts").unlink(missing_ok=True)
                self.assertEqual((code, ""), self.end(self.start("exit %d" % code)))
                self.assertEqual(1, len(self.starts()))

    def test_what_a_signal_ends_is_started_again(self):
        process = self.start("[ $(wc -l <starts) -gt 1 ] || kill -9 $$")
        code, err = self.end(process)
        self.assertEqual(0, code)
        self.assertIn("supervise: it ended by signal 9; starts again in 1 s", err)
        self.assertEqual(2, len(self.starts()))

    def test_a_crash_loop_ends_with_its_code(self):
        code, err = self.end(self.start("exit 4"))
        self.assertEqual(4, code)
        self.assertIn("supervise: it failed with exit code 4, 5 times in a row; given up (exit code 4)", err)
        self.assertEqual(5, len(self.starts()))

    def test_signals_are_passed_on_and_the_end_is_waited_for(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            (self.folder / "starts").unlink(missing_ok=True)
            process = self.start("trap 'echo asked >told; exit 0' TERM; touch ready; while :; do sleep 0.05; done")
            self.wait((self.folder / "ready").exists)
            process.send_signal(number)
            self.assertEqual((0, ""), self.end(process))
            self.assertEqual("asked\n", (self.folder / "told").read_text())
            for name in ("ready", "told"):
                (self.folder / name).unlink()

    def test_docker_is_kept_from_a_restart_loop(self):
        process = self.start("touch ready; exit 2", restart="unless-stopped")
        self.assertEqual("supervise: it has ended with exit code 2; mend it and start it again\n",
                         process.stderr.readline())
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        self.assertEqual((2, ""), self.end(process))
        self.assertEqual((0, ""), self.end(self.start("exit 0", restart="unless-stopped")))

    def test_a_child_that_does_not_answer_is_not_left_alone(self):
        process = self.start("trap '' TERM; touch ready; while [ ! -e go ]; do sleep 0.05; done; exit 3")
        self.wait((self.folder / "ready").exists)
        for _ in range(3):
            process.send_signal(signal.SIGTERM)
        self.assertIsNone(process.poll())
        (self.folder / "go").touch()
        self.assertEqual(3, self.end(process)[0])

    def test_stopped_between_two_starts(self):
        process = self.start("exit 1")
        self.wait(lambda: len(self.starts()) == 3)
        process.send_signal(signal.SIGTERM)
        code, _ = self.end(process)
        self.assertIn(code, (0, 1))
        self.assertEqual(3, len(self.starts()))
        with self.assertRaises(ProcessLookupError):
            os.kill(self.starts()[-1], 0)


if __name__ == "__main__":
    unittest.main()
