"""E6, E7: the wall clock jumps by a day in both directions, and differs between services. Leases,
heartbeats and waits go by another clock: nothing happens but that logs show the jump."""
import datetime
import os
import unittest

from cluster import Cluster, main
from topics import samples

DAY_S = 86400


class Clock(unittest.TestCase):
    def start(self, cluster):
        """All services, each with a wall clock of its own, which `jump` sets."""
        for name in cluster.services:
            (cluster.path / f"{name}.clock").write_text("0")
            cluster[name].start(environment={"LD_PRELOAD": os.environ["FREEAL_WALL_CLOCK"],
                                             "FREEAL_TEST_CLOCK": str(cluster.path / f"{name}.clock")})

    def jump(self, cluster, offset_s, skew_s=600):
        """The n-th service's clock is n times the skew off besides."""
        for n, name in enumerate(cluster.services):
            fresh = cluster.path / "clock.new"
            fresh.write_text(str(offset_s + n * skew_s))
            fresh.rename(cluster.path / f"{name}.clock")

    def outcome(self, rows, jumps):
        with Cluster(annotators=2, ttr_ms=1500, latency_ms=40, task={"concurrency": 4}) as cluster:
            self.start(cluster)
            cluster.ingest(rows)
            cluster.post("/v1/start", b"{}")
            for phase, round, done, offset_s in jumps:
                cluster.wait_phase(phase, round=round, done=done)
                self.jump(cluster, offset_s)
            cluster.finish()
            report = cluster.report()
            self.assertEqual((report["leases_expired"], report["duplicate_results"]), (0, 0))
            self.assertEqual(len(cluster.asked()), sum(r["asked"] for r in report["rounds"]))
            self.assertTrue(all(s < 60 for s in report["phase_seconds"].values()), report["phase_seconds"])
            outcome = cluster.labels_text(), cluster.model()
            log = cluster["coordinator"].text()
            cluster.audit()  # everyone stops in time, whatever the clock says
            return outcome, log

    def test_e6_a_day_forth_and_back_in_every_service(self):
        rows = samples(160)
        wanted, _ = self.outcome(rows, [])
        got, log = self.outcome(rows, [("annotate", 0, 20, DAY_S), ("annotate", 0, 60, -DAY_S),
                                       ("annotate", 0, 100, 0), ("annotate", 1, 5, DAY_S)])
        self.assertEqual(got, wanted)
        tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        self.assertIn(tomorrow.strftime("%Y-%m-%dT"), log)


if __name__ == "__main__":
    main()
