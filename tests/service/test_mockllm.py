"""freeal-mockllm over real HTTP: answers, records, scripted faults, many connections."""

import concurrent.futures
import http.client
import json
import socket
import subprocess
import time
import unittest

from mock_server import BIN, MockServer


class Answers(unittest.TestCase):
    def test_offline(self):
        with MockServer() as mock:
            self.assertEqual(mock.ask("An audio player"), "sound")
            self.assertEqual(mock.ask("nothing of it"), "unknown")
            self.assertEqual(mock.ask("red", [("blue", "sound"), ("red", "games")]), "games")
            written = json.loads(mock.ask('Write 3 examples of the label "games".\nLike: x'))
            self.assertEqual(written, ["game"])

    def test_it_says_that_it_is_a_mock(self):
        with MockServer() as mock:
            reply = json.loads(mock.post(mock.body("game"))[2])
            self.assertIn("mock", reply["system_fingerprint"])
            self.assertEqual(reply["object"], "chat.completion")
            self.assertEqual(reply["usage"]["total_tokens"],
                             reply["usage"]["prompt_tokens"] + reply["usage"]["completion_tokens"])
            self.assertIn("mock", mock.get("/v1/models")[1]["data"][0]["owned_by"])
            self.assertEqual(mock.get("/healthz")[1]["status"], "ok")

    def test_replay(self):
        with MockServer() as probe:
            recordings = probe.path / "recordings.jsonl"
            recordings.write_text('{"text":"t","answers":{"m|0":"good","m|1":null,"m-cot|1":"bad"}}\n')
            with MockServer("--mode", "replay", "--recordings", str(recordings)) as mock:
                self.assertEqual(mock.ask("t"), "good")
                self.assertEqual(mock.ask("t", [("a", "b")]), "unknown")
                self.assertEqual(mock.ask("t", [("a", "b")], model="m-cot"), "bad")
                status, _, body = mock.post(mock.body("other"))
                self.assertEqual((status, json.loads(body)["error"]["code"]), (400, "not_recorded"))
                status, _, body = mock.post(mock.body("t", model="x"))
                self.assertEqual((status, json.loads(body)["error"]["code"]), (404, "model_not_found"))

    def test_bad_requests(self):
        with MockServer() as mock:
            self.assertEqual(mock.post("{")[0], 400)
            self.assertEqual(mock.post("")[0], 400)
            self.assertEqual(mock.post(json.dumps({"model": "m", "messages": []}))[0], 400)
            self.assertEqual(mock.post("[" * 100000)[0], 400)
            self.assertEqual(mock.post(" " * (17 << 20))[0], 413)
            self.assertEqual(mock.get("/v1/chat/completions")[0], 405)
            self.assertEqual(mock.get("/nowhere")[0], 404)
            self.assertEqual(mock.ask("game"), "games")
            self.assertEqual(mock.stats()["refused"], 4)

    def test_record(self):
        with MockServer() as mock:
            body = mock.body('a "game"\n\u00e9', [("x", "sound")])
            mock.post(body, headers={"Authorization": "Bearer secret"})
            mock.post("{")
            first, second = mock.records()
            self.assertEqual((first["n"], first["kind"], first["status"], first["shots"]), (1, "label", 200, 1))
            self.assertEqual(first["text"], 'a "game"\n\u00e9')
            self.assertEqual(json.loads(first["body"]), json.loads(body))
            self.assertIs(first["authorization"], True)
            self.assertEqual((second["kind"], second["status"]), ("invalid", 400))
            self.assertNotIn("secret", mock.record_file.read_text())

    def test_usage_errors(self):
        for options in (["--mode", "other"], ["--mode", "offline"], ["--mode", "replay"],
                        ["--mode", "replay", "--recordings", "/no/such"], ["--listen", "here"],
                        ["--no-such-option"]):
            done = subprocess.run([BIN / "freeal-mockllm", *options], capture_output=True, timeout=20,
                                  encoding="utf-8", check=False)
            self.assertEqual(done.returncode, 2, options)
            self.assertTrue(done.stderr.startswith("freeal-mockllm: "), done.stderr)


class Faults(unittest.TestCase):
    def test_status_headers_and_error(self):
        script = [{"from": 2, "status": 429, "headers": {"Retry-After": "2"}, "error": "rate_limit"},
                  {"from": 2, "status": 503}, {"from": 2, "content": "Perhaps", "finish_reason": "length"}]
        with MockServer(script=script) as mock:
            self.assertEqual(mock.ask("game"), "games")
            status, headers, body = mock.post(mock.body("game"))
            self.assertEqual((status, headers["Retry-After"]), (429, "2"))
            self.assertEqual(json.loads(body)["error"]["code"], "rate_limit")
            self.assertEqual(mock.post(mock.body("game"))[0], 503)
            reply = json.loads(mock.post(mock.body("game"))[2])
            self.assertEqual(reply["choices"][0]["message"]["content"], "Perhaps")
            self.assertEqual(reply["choices"][0]["finish_reason"], "length")
            self.assertEqual(mock.ask("game"), "games")
            self.assertEqual(mock.stats()["faults"], 3)

    def test_delay_blocks_nobody(self):
        with MockServer(script=[{"text": "slow", "count": 0, "delay_ms": 1500}]) as mock:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                start = time.monotonic()
                slow = [pool.submit(mock.ask, "slow game") for _ in range(8)]
                time.sleep(0.2)
                self.assertEqual(mock.ask("game"), "games")
                self.assertLess(time.monotonic() - start, 1.2)
                self.assertEqual({future.result() for future in slow}, {"games"})
                self.assertGreaterEqual(time.monotonic() - start, 1.5)
            self.assertGreaterEqual(mock.stats()["in_flight_max"], 8)

    def test_hang(self):
        with MockServer(script=[{"hang": True}]) as mock:
            with self.assertRaises(TimeoutError):
                mock.post(mock.body("game"), timeout=0.5)
            self.assertEqual(mock.ask("game"), "games")
            deadline = time.monotonic() + 10
            while mock.stats()["in_flight"] > 0:
                self.assertLess(time.monotonic(), deadline, "the slot of a client that went is not freed")
                time.sleep(0.05)
        # A client that still waits does not keep the mock from ending.
        with MockServer(script=[{"hang": True}]) as mock:
            waiting = mock.connect()
            self.addCleanup(waiting.close)
            waiting.request("POST", "/v1/chat/completions", mock.body("game"))
            while mock.stats()["requests"] < 1:
                time.sleep(0.01)

    def test_drip(self):
        with MockServer(script=[{"drip_bytes": 40, "drip_ms": 50}]) as mock:
            start = time.monotonic()
            status, _, body = mock.post(mock.body("game"))
            self.assertEqual(status, 200)
            self.assertEqual(json.loads(body)["choices"][0]["message"]["content"], "games")
            self.assertGreater(time.monotonic() - start, 0.4)

    def test_broken_connections(self):
        script = [{"close_after": 0}, {"close_after": 200}, {"content_length": 100000},
                  {"content_length": 10}, {"reset": True, "close_after": 60}]
        with MockServer(script=script) as mock:
            with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
                mock.post(mock.body("game"))
            for _ in range(2):
                with self.assertRaises((http.client.IncompleteRead, ConnectionResetError)):
                    mock.post(mock.body("game"))
            self.assertEqual(len(mock.post(mock.body("game"))[2]), 10)
            with self.assertRaises(ConnectionResetError):
                mock.post(mock.body("game"))
            self.assertEqual(mock.ask("game"), "games")

    def test_large_body(self):
        with MockServer(script=[{"pad_bytes": 50 << 20}]) as mock:
            body = mock.post(mock.body("game"))[2]
            self.assertGreater(len(body), 50 << 20)
            self.assertEqual(json.loads(body)["choices"][0]["message"]["content"], "games")

    def test_malformed(self):
        names = ["truncated", "trailing", "nested", "numbers", "surrogate", "bom", "duplicate",
                 "empty_choices", "null_content", "tool_call"]
        with MockServer(script=[{"malformed": name} for name in names] + [{"body": "\u00e9"}]) as mock:
            for name in names:
                self.assertEqual(mock.post(mock.body("game"))[0], 200, name)
            self.assertEqual(mock.post(mock.body("game"))[2], "\u00e9".encode())
            self.assertEqual(mock.ask("game"), "games")


class Parameters(unittest.TestCase):
    @staticmethod
    def ask(mock, text="game", **more):
        status, headers, data = mock.post(json.dumps({**json.loads(mock.body(text)), **more}))
        if headers["Content-Type"] == "text/event-stream":
            return status, data.decode()
        return status, json.loads(data)

    def test_forms(self):
        with MockServer() as mock:
            reply = self.ask(mock, n=3, logprobs=True, top_logprobs=2, reasoning_effort="low")[1]
            self.assertEqual([c["index"] for c in reply["choices"]], [0, 1, 2])
            choice = reply["choices"][2]
            self.assertEqual(choice["message"]["content"], "games")
            self.assertIn("words", choice["message"]["reasoning_content"])
            self.assertAlmostEqual(choice["logprobs"]["content"][0]["logprob"], -0.1053605, 5)
            self.assertEqual(reply["usage"]["completion_tokens"], 3 * 9)
            self.assertEqual(reply["usage"]["completion_tokens_details"]["reasoning_tokens"], 3 * 8)
            reply = self.ask(mock, "Label each of these 2 texts.\n### 1\ngame\n### 2\naudio\n")[1]
            self.assertEqual(json.loads(reply["choices"][0]["message"]["content"]), {"1": "games", "2": "sound"})
            self.assertEqual((mock.stats()["labels"], mock.stats()["texts"]), (2, 3))
            reply = self.ask(mock, response_format={"type": "json_object"}, max_tokens=4)[1]["choices"][0]
            self.assertEqual((reply["message"]["content"], reply["finish_reason"]), ('{"label"', "length"))

    def test_stream(self):
        with MockServer() as mock:
            status, text = self.ask(mock, "game", stream=True, stream_options={"include_usage": True})
            self.assertEqual(status, 200)
            events = text.split("\n\n")
            self.assertEqual(events[-2:], ["data: [DONE]", ""])
            chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
            self.assertEqual("".join(c["choices"][0]["delta"].get("content", "") for c in chunks[:-1]), "games")
            self.assertEqual(chunks[-2]["choices"][0]["finish_reason"], "stop")
            self.assertEqual((chunks[-1]["choices"], chunks[-1]["usage"]["completion_tokens"]), ([], 1))

    def test_cached_tokens(self):
        with MockServer() as mock:
            messages = [{"role": "system", "content": "x" * 5000}, {"role": "user", "content": "game"}]
            used = [self.ask(mock, messages=messages)[1]["usage"] for _ in range(2)]
            self.assertEqual([u["prompt_tokens_details"]["cached_tokens"] for u in used], [0, 1152])
            self.assertEqual(mock.stats()["cached_tokens"], 1152)

    def test_refused(self):
        with MockServer("--strict-parameters", "logprobs,max_tokens") as mock:
            self.assertEqual(self.ask(mock, max_completion_tokens=5, unknown=1)[0], 200)
            status, reply = self.ask(mock, max_tokens=5)
            self.assertEqual((status, reply["error"]["code"], reply["error"]["param"]),
                             (400, "unsupported_parameter", "max_tokens"))
            status, reply = self.ask(mock, n=0)
            self.assertEqual((status, reply["error"]["code"], reply["error"]["param"]), (400, "invalid_value", "n"))
            self.assertEqual(mock.stats()["refused"], 2)

    def test_a_script_refuses_a_parameter(self):
        script = [{"has": "seed", "count": 0, "status": 400, "error": "unsupported_parameter", "param": "seed"}]
        with MockServer(script=script) as mock:
            self.assertEqual(self.ask(mock)[0], 200)
            status, reply = self.ask(mock, seed=1)
            self.assertEqual((status, reply["error"]["param"]), (400, "seed"))


class Limits(unittest.TestCase):
    def test_requests(self):
        # One comes every 30 s, so that how fast the test is does not matter.
        with MockServer("--requests-per-minute", "2") as mock:
            status, headers, _ = mock.post(mock.body("game"))
            self.assertEqual((status, headers["x-ratelimit-limit-requests"],
                              headers["x-ratelimit-remaining-requests"]), (200, "2", "0"))
            self.assertRegex(headers["x-ratelimit-reset-requests"], "^(30|29[.][0-9]+)")
            status, headers, body = mock.post(mock.body("game"))
            self.assertEqual((status, json.loads(body)["error"]["code"]), (429, "rate_limit_exceeded"))
            self.assertIn(int(headers["Retry-After"]), range(25, 31))
            self.assertGreater(int(headers["retry-after-ms"]), 25000)
            self.assertNotIn("x-ratelimit-limit-tokens", headers)
            self.assertEqual(mock.post("{")[0], 400)  # costs nothing
            stats = mock.stats()
            self.assertEqual([stats[k] for k in ("requests", "accepted", "rate_limited", "labels", "refused")],
                             [3, 1, 1, 1, 1])

    def test_tokens(self):
        with MockServer("--tokens-per-minute", "60") as mock:
            body = json.loads(mock.body("game"))
            body["max_tokens"] = 100
            self.assertEqual(mock.post(json.dumps(body))[0], 200)
            status, headers, _ = mock.post(mock.body("game"))
            self.assertEqual((status, headers["x-ratelimit-remaining-tokens"]), (429, "0"))
            self.assertGreater(int(headers["Retry-After"]), 95)
            stats = mock.stats()
            self.assertEqual((stats["accepted"], stats["rate_limited"], stats["completion_tokens"]), (1, 1, 1))
            self.assertEqual(stats["prompt_tokens"], 4)

    def test_a_scripted_fault_is_not_met_by_a_refused_request(self):
        with MockServer("--requests-per-minute", "1", script=[{"from": 2, "status": 500}]) as mock:
            self.assertEqual(mock.post(mock.body("game"))[0], 200)
            self.assertEqual(mock.post(mock.body("game"))[0], 429)
            self.assertEqual(mock.stats()["faults"], 0)


class Load(unittest.TestCase):
    def test_a_thousand_connections(self):
        count = 1000
        with MockServer("--latency-ms", "500") as mock:
            body = mock.body("game").encode()
            request = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                       % len(body)) + body
            start = time.monotonic()
            connections = [socket.create_connection(("127.0.0.1", mock.port), timeout=60)
                           for _ in range(count)]
            for connection in connections:
                connection.sendall(request)
            for connection in connections:
                data = b""
                while b'"total_tokens"' not in data:
                    block = connection.recv(65536)
                    self.assertTrue(block, "closed without an answer")
                    data += block
                self.assertIn(b'"content":"games"', data)
                connection.close()
            # One after the other they would take 500 s.
            self.assertLess(time.monotonic() - start, 60)
            self.assertEqual(mock.stats()["requests"], count)


if __name__ == "__main__":
    unittest.main()
