"""`freeal prompt` shows what a run sends, byte by byte: a server that keeps what it is sent."""
import http.server
import json
import subprocess
import threading
import unittest
import zlib

from run_case import BIN, Case

from topics import LABELS, samples


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.add((self.path, body))
        last = json.loads(body)["messages"][-1]["content"]
        content = LABELS[zlib.crc32(last.encode()) % 3]
        if last.startswith("Write "):
            content = json.dumps([f"written {i} as {last[:60]}" for i in range(4)])
        reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": content},
                                         "finish_reason": "stop"}],
                            "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


class Prompt(Case):
    def setUp(self):
        super().setUp()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.seen = set()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def prompt(self, *arguments, code=0):
        done = subprocess.run([BIN / "freeal", "prompt", *arguments], capture_output=True, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr.decode()

    def test_it_is_what_the_server_got(self):
        url = "http://127.0.0.1:%d/v1" % self.server.server_port
        task = self.write_task(url, rounds="[{shots: 3}, {relabel: 1, shots: 4}]")
        source = self.write_input(samples(40))
        self.run_to_end(task, source, "out")
        project = self.path / "out" / ".freeal"
        for round_no in ("0", "1"):
            for sample in ("1", "s17", "40"):
                body = self.prompt(task, "--input", source, "--sample", sample, "--round", round_no, "--raw",
                                   "--project", project)
                self.assertIn(("/v1/chat/completions", body), self.server.seen)
        shown = self.prompt(task, "--input", source, "--sample", "s17", "--round", "1", "--project", project).decode()
        head, _, pretty = shown.partition("\n\n")
        self.assertEqual(head.splitlines()[0], f"POST {url}/chat/completions")
        body = self.prompt(task, "--input", source, "--sample", "s17", "--round", "1", "--raw", "--project", project)
        self.assertEqual(json.loads(pretty), json.loads(body))

    def test_what_it_refuses(self):
        task, source = self.write_task("http://127.0.0.1:1/v1"), self.write_input(samples(3))
        self.assertIn("has no sample 4; give its id, or its number from 1 to 3",
                      self.prompt(task, "--input", source, "--sample", "4", code=2))
        self.assertIn("has no round 2; its last one is 1",
                      self.prompt(task, "--input", source, "--round", "2", code=2))
        self.prompt(task, "--input", source, "--project", self.path / "none", code=2)
        self.prompt(task, code=2)


if __name__ == "__main__":
    unittest.main()
