"""E3: samples come faster than they are labelled, from many clients at once. They are slowed
down, nothing that was acknowledged is lost, and the coordinator's memory stays flat."""
import http.client
import json
import pathlib
import re
import threading
import time
import unittest

from cluster import Cluster, main
from topics import samples

CLIENTS = 100
BODIES = 2
ROWS = 1000  # in a body of about 700 KiB, of which the clients send 140 MiB in all
GROWTH_MIB_MAX = 150
ANSWER_S_MAX = 10  # of /healthz meanwhile, on a machine that is busy


class Burst(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(annotators=2, latency_ms=50)
        self.cluster.__enter__()
        self.addCleanup(self.cluster.close)
        self.cluster.run(samples(500))
        self.cluster.wait_phase("annotate", done=10)
        self.ended = threading.Event()
        self.failures = []

    def rss_mib(self):
        status = pathlib.Path(f"/proc/{self.cluster['coordinator'].pid}/status").read_text()
        return int(re.search(r"RssAnon:\s*(\d+)", status)[1]) / 1024

    def watch(self):
        while not self.ended.wait(0.02):
            self.largest_mib = max(self.largest_mib, self.rss_mib())
            start = time.monotonic()
            status, _ = self.cluster.request("GET", "/healthz", timeout=60)
            self.slowest_s = max(self.slowest_s, time.monotonic() - start)
            if status != 200:
                self.failures.append(status)

    def client(self, number):
        port = int((self.cluster.path / "port").read_text())
        headers = {"Authorization": "Bearer " + (self.cluster.project / "token").read_text().strip()}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        try:
            for body in range(BODIES):
                lines = [json.dumps({"id": f"{number}-{body}-{row}", "text": f"text {number} {body} {row} " + "more " * 120})
                         for row in range(ROWS)]
                while True:
                    connection.request("POST", "/v1/samples", "\n".join(lines).encode(), headers)
                    reply = connection.getresponse()
                    answer = json.loads(reply.read())
                    if reply.status != 503:
                        break
                if answer != {"accepted": ROWS, "duplicates": 0, "rejected": []}:
                    self.failures.append((reply.status, answer))
        except Exception as e:  # told by the test's own thread
            self.failures.append(repr(e))
        finally:
            connection.close()

    def test_e3_many_clients_at_once(self):
        before_mib = self.largest_mib = self.rss_mib()
        self.slowest_s = 0
        watcher = threading.Thread(target=self.watch)
        clients = [threading.Thread(target=self.client, args=(number,)) for number in range(CLIENTS)]
        for thread in [watcher, *clients]:
            thread.start()
        for thread in clients:
            thread.join()
        self.ended.set()
        watcher.join()
        self.assertEqual([], self.failures)
        self.assertLess(self.largest_mib - before_mib, GROWTH_MIB_MAX)
        self.assertLess(self.slowest_s, ANSWER_S_MAX)

        status, body = self.cluster.request("GET", "/v1/labels", timeout=120)
        self.assertEqual(200, status)
        ids = [json.loads(line)["id"] for line in body.splitlines()]
        self.assertEqual(500 + CLIENTS * BODIES * ROWS, len(ids))
        self.assertEqual(len(ids), len(set(ids)))
        self.assertTrue(set(self.cluster.acknowledged) <= set(ids))
        self.cluster.audit()


if __name__ == "__main__":
    main()
