"""A8 to A11: services that all die at once, that can't start, that are told to stop under load, and
that stand still for longer than their leases."""
import itertools
import os
import pathlib
import shutil
import signal
import time
import unittest

from cluster import Cluster, main, slow
from topics import samples
from undisturbed import assert_same, undisturbed

COUNT = 200
IN_FLIGHT = 16
SERVICES = ["coordinator", "selector", "trainer-0", "annotator-0"]


class AllAtOnce(unittest.TestCase):
    def die_together(self, orders):
        """Each order at another moment of one run."""
        with Cluster(latency_ms=40) as cluster:
            cluster.run(samples(COUNT))
            for order in orders:
                before = len(cluster.mock.records())
                cluster.wait(lambda: len(cluster.mock.records()) > before + 5 or cluster.status().get("finished"))
                for name in SERVICES:
                    cluster[name].kill()
                for name in order:
                    cluster[name].start()
                    cluster.wait(cluster[name].catches_sigterm, 10, f"{name} to start")
            assert_same(self, cluster, COUNT)

    def test_a8_killed_together_and_started_in_some_orders(self):
        orders = list(itertools.permutations(SERVICES))
        self.die_together(orders[::5])

    @slow
    def test_a8_killed_together_and_started_in_each_order(self):
        orders = list(itertools.permutations(SERVICES))
        for at in range(0, len(orders), 6):
            self.die_together(orders[at:at + 6])


class BadVolume(unittest.TestCase):
    def fails_always_alike(self, cluster, name, code):
        """Five starts that end the same way, with one message; the others run on."""
        process, messages = cluster[name], set()
        for _ in range(5):
            before = len(process.text())
            process.start()
            process.ending = True
            self.assertEqual(process.wait(10), code, process.text()[before:])
            lines = process.text()[before:].splitlines()
            messages.add(lines[-1])
            self.assertLessEqual(len(lines), 2, lines)
        self.assertEqual(len(messages), 1, messages)
        for other in cluster.services.values():
            self.assertTrue(other is process or other.alive(), other.name)
        return messages.pop()

    def lose_volume(self, name, folder):
        with Cluster(latency_ms=20) as cluster:
            cluster.run(samples(COUNT)).wait_phase("annotate", done=50)
            cluster[name].kill()
            path = cluster.project / folder
            shutil.move(path, cluster.path / "kept")
            path.write_text("a file where a folder should be")
            message = self.fails_always_alike(cluster, name, 4)
            self.assertIn(str(path), message)
            if name != "coordinator":
                role = name.split("-")[0]
                cluster.wait(lambda: cluster.status().get("missing") == role, 20, f"the status to miss the {role}")
                self.assertEqual(cluster.status()["workers"][role], 0)
            path.unlink()
            shutil.move(cluster.path / "kept", path)
            cluster[name].start()
            assert_same(self, cluster, COUNT)

    def test_a9_trainer_without_its_volume(self):
        self.lose_volume("trainer-0", "trainer")

    @slow
    def test_a9_selector_without_its_volume(self):
        self.lose_volume("selector", "selector")

    def test_a9_coordinator_without_its_volume(self):
        self.lose_volume("coordinator", "coordinator")


class Sigterm(unittest.TestCase):
    def stop_under_load(self, name, held=None):
        """`held`: waits until the process stands in this phase, with its lease."""
        # With these leases a run could not end in time if some had to run out.
        with Cluster(latency_ms=60, ttr_ms=60000) as cluster:
            cluster[name].start(stop_at=held and held[1])
            cluster.run(samples(COUNT))
            cluster.wait_phase("annotate", done=30)
            if held and not held[1]:
                cluster[name].pause()  # its lease comes, and is never read
            if held:
                cluster.wait_phase(held[0])
                cluster.wait(cluster[name].stopped)
            cluster[name].terminate()
            cluster[name].terminate()
            self.assertEqual(cluster[name].wait_stopped(), 0)
            begin = time.monotonic()
            cluster[name].start()
            cluster.finish(timeout=20)
            self.assertLess(time.monotonic() - begin, 20)
            self.assertNotIn("lease_expired", cluster["coordinator"].text())
            self.assertLessEqual(len(cluster.asked()), undisturbed(COUNT)[2] + 2 * IN_FLIGHT)
            assert_same(self, cluster, COUNT)

    def test_a10_coordinator(self):
        self.stop_under_load("coordinator")

    def test_a10_annotator(self):
        self.stop_under_load("annotator-0")

    @slow
    def test_a10_trainer(self):
        self.stop_under_load("trainer-0", ("train", "job_start:3"))

    def test_a10_trainer_with_a_lease_unread(self):
        self.stop_under_load("trainer-0", ("train", None))

    @slow
    def test_a10_selector(self):
        self.stop_under_load("selector", ("select", "job_start:2"))


@unittest.skipUnless(os.geteuid() == 0, "makes PID namespaces")
class ProcessOne(unittest.TestCase):
    """As the first process of a container, which the kernel gives no default for SIGTERM."""

    def inner(self, process):
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
        pids = children.read_text().split() if children.exists() else []
        return int(pids[0]) if pids else None

    def catches_sigterm(self, pid):
        caught = [line.split()[1] for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                  if line.startswith("SigCgt")]
        return int(caught[0], 16) >> (signal.SIGTERM - 1) & 1 == 1

    def test_a10_as_process_one(self):
        with Cluster(latency_ms=60, ttr_ms=60000) as cluster:
            for name in SERVICES:
                make = cluster[name].argv
                cluster[name].argv = lambda make=make: ["unshare", "--pid", "--fork", "--kill-child", *make()]
            cluster.run(samples(COUNT)).wait_phase("annotate", done=30)
            for name in reversed(SERVICES):
                with self.subTest(name):
                    pid = self.inner(cluster[name])
                    cluster.wait(lambda: self.catches_sigterm(pid), 10)
                    cluster[name].ending = True
                    os.kill(pid, signal.SIGTERM)
                    self.assertEqual(cluster[name].wait_stopped(), 0)
            for name in SERVICES:
                cluster[name].argv = cluster[name].argv.__defaults__[0]
            cluster.start().finish()
            assert_same(self, cluster, COUNT)


class Paused(unittest.TestCase):
    TTR_MS = 1500

    def pause(self, name, phase="annotate", seconds=2 * TTR_MS / 1000, **options):
        """SIGSTOP for twice the time of a lease, while the others may go on."""
        with Cluster(latency_ms=60, ttr_ms=self.TTR_MS, **options) as cluster:
            cluster.run(samples(COUNT))
            cluster.wait_phase(phase, done=30 if phase == "annotate" else 0)
            cluster[name].pause()
            deadline = time.monotonic() + seconds
            cluster.wait(lambda: time.monotonic() > deadline)
            cluster[name].cont()
            cluster.finish()
            report = cluster.report()
            self.assertEqual(sum(r["asked"] for r in report["rounds"]), undisturbed(COUNT)[2])
            self.assertEqual([r["round"] for r in report["rounds"]], [0, 1])
            asked = len(cluster.asked())
            text = cluster["coordinator"].text()
            assert_same(self, cluster, COUNT)
            return asked, text

    def test_a11_the_only_annotator(self):
        asked, log = self.pause("annotator-0")
        self.assertIn("lease_expired", log)
        # Its requests in flight come back to it; nothing is set aside or asked twice without need.
        self.assertLessEqual(asked, undisturbed(COUNT)[2] + 2 * IN_FLIGHT)

    @slow
    def test_a11_one_of_two_annotators(self):
        asked, log = self.pause("annotator-0", annotators=2)
        self.assertIn("lease_expired", log)
        # It can't know at first that the samples in its queue are the other one's by now.
        self.assertLessEqual(asked, undisturbed(COUNT)[2] + 3 * IN_FLIGHT)

    def test_a11_coordinator(self):
        asked, log = self.pause("coordinator")
        self.assertIn("stood_still", log)
        self.assertNotIn("lease_expired", log)
        self.assertEqual(asked, undisturbed(COUNT)[2])

    @slow
    def test_a11_trainer(self):
        self.pause("trainer-0", "annotate")

    @slow
    def test_a11_selector(self):
        self.pause("selector", "annotate")

    @slow
    def test_a11_for_a_minute(self):
        for name in SERVICES:
            with self.subTest(name):
                self.pause(name, seconds=60)


if __name__ == "__main__":
    main()
