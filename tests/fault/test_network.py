"""The services over TCP with keys, and networks that are cut between them (D9)."""
import subprocess
import time
import unittest

from cluster import BIN, Cluster, main, slow
from relay import Relay
from topics import samples

SLOW_LLM = 60  # ms, so that a round lasts


class Relayed(Cluster):
    """The first annotator comes through one relay, trainers find the selector through another."""

    def __init__(self, **options):
        self.relays = {}
        super().__init__(tcp=True, **options)

    def _addresses_make(self):
        super()._addresses_make()
        self.relays = {"bus": Relay(int(self.bus.rsplit(":")[-1])),
                       "selector": Relay(int(self.selector_bus.rsplit(":")[-1]))}

    def _coordinator_argv(self):
        return [self.relays["selector"].endpoint if a == self.selector_bus else a for a in super()._coordinator_argv()]

    def add(self, role):
        service = super().add(role)
        if service.name == "annotator-0":
            service.argv = [self.relays["bus"].endpoint if a == self.bus else a for a in self._annotator_argv()]
        return service

    def close(self):
        super().close()
        for relay in self.relays.values():
            relay.__exit__()

    def hellos(self, role):
        return self["coordinator"].text().count(f" role={role} ")


def outcome(cluster):
    return cluster.labels_text(), cluster.model()


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rows = samples(200)
        with Cluster() as cluster:
            cluster.run(cls.rows).finish()
            cls.wanted = outcome(cluster)

    def check(self, cluster):
        cluster.finish()
        self.assertEqual(self.wanted, outcome(cluster))
        cluster.audit()

    def test_the_same_labels_with_keys_and_restarts(self):
        with Cluster(tcp=True, annotators=2, latency_ms=5 * SLOW_LLM) as cluster:
            cluster.run(self.rows)
            cluster.wait_phase("annotate", done=50)
            cluster["coordinator"].restart()
            cluster.wait_phase("annotate", done=100)
            cluster["selector"].restart()
            cluster["trainer-0"].restart()
            cluster["annotator-1"].restart()
            self.check(cluster)

    def test_a_connection_that_is_reset(self):
        with Relayed(latency_ms=SLOW_LLM) as cluster:
            relay = cluster.relays["bus"]
            cluster.run(self.rows)
            cluster.wait_phase("annotate", done=30)
            relay.cut()
            before = cluster.hellos(1)
            tries = relay.accepted
            cluster.wait(lambda: relay.accepted >= tries + 4, what="new tries to connect")
            relay.mend()
            self.check(cluster)
            # It said who it is once, not once for each heartbeat that it could not send.
            self.assertEqual(before + 1, cluster.hellos(1))

    def frozen(self, name, role):
        """Longer than anybody waits for a sign of life; then it goes on by itself."""
        with Relayed(latency_ms=SLOW_LLM) as cluster:
            relay = cluster.relays[name]
            cluster.run(self.rows)
            cluster.wait_phase("annotate", done=30)
            relay.freeze()
            before = cluster.hellos(role)
            begin = time.monotonic()
            cluster.wait(lambda: time.monotonic() > begin + 25 or cluster.status().get("finished"), what="some time")
            self.assertFalse(cluster.status().get("finished"))
            relay.mend()
            mended = time.monotonic()
            self.check(cluster)
            self.assertLess(time.monotonic() - mended, 30)
            return cluster.hellos(role) - before

    @slow
    def test_an_annotator_behind_a_dead_network(self):
        self.assertEqual(1, self.frozen("bus", 1))

    @slow
    def test_a_selector_behind_a_dead_network(self):
        self.assertEqual(0, self.frozen("selector", 2))

    def test_a_key_for_one_host_comes_and_goes(self):
        """A host's annotator joins with its own key while the coordinator runs, and is kept out once
        its line is gone."""
        with Cluster(tcp=True, annotators=1) as cluster:
            cluster.start()
            cluster.wait(lambda: cluster.status().get("workers", {}).get("annotator") == 1, what="an annotator")
            keys = cluster.path / "keys"
            subprocess.run([BIN / "freeal", "keys", keys, "--annotator", "alpha"], check=True, capture_output=True)
            alpha = cluster.add("annotator")
            argv = [BIN / "freeal-annotator", "--coordinator", cluster.bus, "--key",
                    keys / "annotator-alpha" / "annotator.key"]
            alpha.argv = argv
            alpha.start()
            cluster.wait(lambda: cluster.status().get("workers", {}).get("annotator") == 2, what="alpha")
            alpha.stop()
            coordinator = keys / "coordinator" / "coordinator.key"
            lines = coordinator.read_text().splitlines(True)
            self.assertEqual(1, sum(line.endswith(" alpha\n") for line in lines))
            coordinator.write_text("".join(line for line in lines if not line.endswith(" alpha\n")))
            alpha.start()
            cluster.wait(lambda: "refuses this key" in alpha.text(), what="a refusal")
            self.assertEqual(0, alpha.stop())
            cluster.run(self.rows)
            self.check(cluster)


if __name__ == "__main__":
    main()
