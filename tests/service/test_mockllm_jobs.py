"""freeal-mockllm's other endpoints: embeddings, files, batches, Azure's paths, keys."""

import base64
import json
import os
import struct
import subprocess
import time
import unittest

from mock_server import BIN, MockServer

BOUNDARY = "b0undary"


class Client:
    """Requests to one mock, a connection each."""

    def __init__(self, mock, **headers):
        self.mock = mock
        self.headers = headers

    def call(self, method, path, body=None, **headers):
        connection = self.mock.connect()
        if isinstance(body, dict):
            body = json.dumps(body)
        connection.request(method, path, body, {**self.headers, **headers})
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        return reply.status, json.loads(data) if reply.headers["Content-Type"] == "application/json" else data

    def upload(self, lines, purpose="batch"):
        data = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
        form = (f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n"
                f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n"
                f"{data}\r\n--{BOUNDARY}--\r\n")
        return self.call("POST", "/v1/files", form.encode(),
                         **{"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})

    def batch(self, lines, **more):
        file = self.upload(lines)[1]
        status, batch = self.call("POST", "/v1/batches", {"input_file_id": file["id"], "completion_window": "24h",
                                                          "endpoint": "/v1/chat/completions", **more})
        assert status == 200, batch
        return batch

    def ended(self, batch):
        deadline = time.monotonic() + 20
        while batch["status"] in ("validating", "in_progress", "cancelling"):
            assert time.monotonic() < deadline, batch
            batch = self.call("GET", "/v1/batches/" + batch["id"])[1]
        return batch

    def rows(self, file):
        return [json.loads(line) for line in self.call("GET", f"/v1/files/{file}/content")[1].splitlines()]


def line(number, text="game", **more):
    return {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions",
            "body": {**json.loads(MockServer.body(text)), **more}}


class Embeddings(unittest.TestCase):
    def test_both_encodings(self):
        with MockServer() as mock:
            client = Client(mock)
            request = {"model": "e", "input": ["a b", "b a", "c"], "dimensions": 16}
            status, plain = client.call("POST", "/v1/embeddings", request)
            self.assertEqual(status, 200)
            vectors = [item["embedding"] for item in plain["data"]]
            self.assertEqual((len(vectors[0]), vectors[0]), (16, vectors[1]))
            self.assertEqual(plain["usage"]["total_tokens"], 3)
            packed = client.call("POST", "/v1/embeddings", {**request, "encoding_format": "base64"})[1]
            for item, vector in zip(packed["data"], vectors):
                self.assertEqual(list(struct.unpack("<16f", base64.b64decode(item["embedding"]))),
                                 [struct.unpack("<f", struct.pack("<f", x))[0] for x in vector])
            self.assertEqual(mock.stats()["embeddings"], 2)

    def test_refused(self):
        with MockServer() as mock:
            for body in ({}, {"model": "e"}, {"model": "e", "input": []}, {"model": "e", "input": [""]},
                         {"model": "e", "input": [[1]]}, {"model": "e", "input": "x", "dimensions": 0},
                         {"model": "e", "input": "x", "encoding_format": "hex"}, {"input": "x"}):
                self.assertEqual(Client(mock).call("POST", "/v1/embeddings", body)[0], 400, body)

    def test_limits(self):
        with MockServer("--tokens-per-minute", "60") as mock:
            request = {"model": "e", "input": "x" * 4000}
            self.assertEqual([Client(mock).call("POST", "/v1/embeddings", request)[0] for _ in range(2)], [200, 429])

    def test_faults(self):
        with MockServer(script=[{"text": "bad", "status": 503}]) as mock:
            for text, expected in (("good", 200), ("bad", 503), ("bad", 200)):
                request = {"model": "e", "input": text}
                self.assertEqual(Client(mock).call("POST", "/v1/embeddings", request)[0], expected)


class Batches(unittest.TestCase):
    def test_round_trip(self):
        script = [{"text": "bad", "status": 500, "count": 0}]
        with MockServer("--batch-ms", "50", "--requests-per-minute", "1", script=script) as mock:
            client = Client(mock)
            lines = [line(i, "bad" if i == 3 else ("game", "audio")[i % 2]) for i in range(20)]
            batch = client.batch(lines, metadata={"token": "t"})
            self.assertEqual((batch["status"], batch["metadata"]), ("validating", {"token": "t"}))
            batch = client.ended(batch)
            self.assertEqual(batch["status"], "completed")
            self.assertEqual(batch["request_counts"], {"total": 20, "completed": 19, "failed": 1})
            rows = client.rows(batch["output_file_id"])
            ids = [row["custom_id"] for row in rows]
            self.assertNotEqual(ids, sorted(ids, key=lambda x: int(x[1:])), "their order must not be the input's")
            for row in rows:
                expected = ("games", "sound")[int(row["custom_id"][1:]) % 2]
                self.assertEqual(row["response"]["body"]["choices"][0]["message"]["content"], expected)
                self.assertIsNone(row["error"])
            failed, = client.rows(batch["error_file_id"])
            self.assertEqual((failed["custom_id"], failed["response"]["status_code"]), ("r3", 500))
            self.assertEqual(client.call("GET", "/v1/batches?limit=1")[1]["data"][0], batch)
            self.assertEqual(client.call("POST", f"/v1/batches/{batch['id']}/cancel")[0], 409)

    def test_expired_by_script(self):
        with MockServer("--batch-ms", "0", script=[{"path": "/v1/batches", "expire": 0.5}]) as mock:
            client = Client(mock)
            batch = client.ended(client.batch([line(i) for i in range(40)]))
            self.assertEqual(batch["status"], "expired")
            answered, late = client.rows(batch["output_file_id"]), client.rows(batch["error_file_id"])
            self.assertEqual(len(answered) + len(late), 40)
            self.assertTrue(answered and late)
            self.assertEqual({row["error"]["code"] for row in late}, {"batch_expired"})
            self.assertEqual({row["response"] for row in late}, {None})

    def test_cancelled(self):
        with MockServer("--batch-ms", "3600000") as mock:
            client = Client(mock)
            batch = client.batch([line(1)])
            self.assertEqual(client.call("GET", "/v1/batches/" + batch["id"])[1]["status"], "in_progress")
            self.assertEqual(client.call("POST", f"/v1/batches/{batch['id']}/cancel")[1]["status"], "cancelling")
            batch = client.ended(batch)
            self.assertEqual((batch["status"], batch["output_file_id"]), ("cancelled", None))

    def test_refused(self):
        with MockServer() as mock:
            client = Client(mock)
            batch = client.ended(client.batch([line(1), "{\n"]))
            self.assertEqual((batch["status"], batch["errors"]["data"][0]["line"]), ("failed", 2))
            self.assertEqual(client.upload([line(1)], purpose="fun")[0], 400)
            self.assertEqual(client.call("POST", "/v1/files", b"x")[0], 400)
            file = client.upload([line(1)])[1]["id"]
            good = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
            for wrong in ({"input_file_id": "none"}, {"endpoint": "/v1/other"}, {"completion_window": "1h"}):
                self.assertEqual(client.call("POST", "/v1/batches", {**good, **wrong})[0], 400, wrong)
            self.assertEqual(client.call("DELETE", f"/v1/files/{file}")[1]["deleted"], True)
            for path in (f"/v1/files/{file}", f"/v1/files/{file}/content", "/v1/batches/x"):
                self.assertEqual(client.call("GET", path)[0], 404, path)

    def test_what_a_fault_refuses_is_not_done(self):
        script = [{"path": "/v1/files", "status": 503}, {"path": "/v1/batches", "status": 500}]
        with MockServer(script=script) as mock:
            client = Client(mock)
            self.assertEqual(client.upload([line(1)])[0], 503)
            self.assertEqual(client.call("GET", "/v1/files")[1]["data"], [])
            file = client.upload([line(1)])[1]["id"]
            request = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
            self.assertEqual(client.call("POST", "/v1/batches", request)[0], 500)
            self.assertEqual(client.call("GET", "/v1/batches")[1]["data"], [])
            self.assertEqual(mock.stats()["faults"], 2)

    def test_a_large_input(self):
        with MockServer("--batch-ms", "0") as mock:
            client = Client(mock)
            long = "x " * 500
            batch = client.ended(client.batch([line(i, long) for i in range(20000)]))
            self.assertEqual(batch["request_counts"]["completed"], 20000)


class Azure(unittest.TestCase):
    def test_paths(self):
        with MockServer() as mock:
            client = Client(mock)
            body = {"messages": [{"role": "user", "content": "game"}]}
            path = "/openai/deployments/my-4o/chat/completions"
            status, reply = client.call("POST", path + "?api-version=2024-10-21", body)
            self.assertEqual((status, reply["model"]), (200, "my-4o"))
            self.assertEqual(client.call("POST", path, body)[0], 404)
            self.assertEqual(client.call("POST", "/openai/v1/chat/completions", {"model": "m", **body})[0], 200)
            self.assertEqual(client.call("GET", "/openai/batches?api-version=1")[1]["data"], [])
            self.assertEqual(client.call("POST", "/openai/deployments/x?api-version=1", body)[0], 404)


class Keys(unittest.TestCase):
    def test_key(self):
        os.environ["MOCK_TEST_KEY"] = "secret"
        self.addCleanup(os.environ.pop, "MOCK_TEST_KEY")
        with MockServer("--key", "MOCK_TEST_KEY") as mock:
            for headers, expected in (({"Authorization": "Bearer secret"}, 200), ({"api-key": "secret"}, 200),
                                      ({"Authorization": "Bearer other"}, 401), ({"Authorization": "secret"}, 401),
                                      ({"api-key": "secre"}, 401), ({}, 401)):
                status, _, data = mock.post(mock.body("game"), headers=headers)
                self.assertEqual(status, expected, headers)
                if expected == 401:
                    self.assertEqual(json.loads(data)["error"]["code"], "invalid_api_key")
                self.assertEqual(Client(mock, **headers).call("GET", "/v1/models")[0], expected)
            self.assertEqual(mock.get("/healthz")[0], 200)
            self.assertNotIn("secret", mock.record_file.read_text())

    def test_an_unset_variable(self):
        done = subprocess.run([BIN / "freeal-mockllm", "--key", "MOCK_NO_SUCH_KEY"], capture_output=True, timeout=20,
                              encoding="utf-8", check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no such environment variable", done.stderr)


if __name__ == "__main__":
    unittest.main()
