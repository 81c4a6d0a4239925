# slow: makes a Python environment of its own
"""freeal-mockllm as OpenAI's own client reads it: the package `openai` of PyPI, its types, its
exceptions, its retries."""

import json
import math
import os
import pathlib
import sys
import time
import unittest

from mock_server import MockServer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import environment  # noqa: E402

environment.enter("openai", ["openai"])

import openai  # noqa: E402  the line above may have started another Python

SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": {
    "type": "object", "properties": {"label": {"type": "string", "enum": ["sound", "games"]}},
    "required": ["label"], "additionalProperties": False}}}


def client(mock, **options):
    return openai.OpenAI(**{"base_url": mock.url, "api_key": "k", "max_retries": 0, "timeout": 20, **options})


def messages(text="game"):
    return [{"role": "system", "content": "Label it."}, {"role": "user", "content": text}]


def simulated(mock_options=()):
    """A mock whose answer to each of its 50 texts is a coin's."""
    probe = MockServer()
    with probe:
        margins = probe.path / "margins.jsonl"
        margins.write_text("".join(json.dumps({"text": f"t{i}", "gold": "sound", "rival": "games", "margin": 0}) + "\n"
                                   for i in range(50)))
        return MockServer("--mode", "simulate", "--margins", str(margins), "--accuracy", "0.49", *mock_options)


class Chat(unittest.TestCase):
    def test_plain(self):
        with MockServer() as mock:
            done = client(mock).chat.completions.create(model="m", messages=messages())
            self.assertEqual(done.choices[0].message.content, "games")
            self.assertEqual((done.object, done.model, done.choices[0].finish_reason), ("chat.completion", "m", "stop"))
            self.assertEqual(done.usage.total_tokens, done.usage.prompt_tokens + 1)
            self.assertEqual(done.usage.prompt_tokens_details.cached_tokens, 0)
            parts = [{"role": "user", "content": [{"type": "text", "text": "an audio"}, {"type": "text", "text": " thing"}]}]
            done = client(mock).chat.completions.create(model="m", messages=parts, reasoning_effort="low", seed=4,
                                                        stop=["x"], max_completion_tokens=50, user="u")
            self.assertEqual(done.choices[0].message.content, "sound")
            self.assertEqual(done.usage.completion_tokens_details.reasoning_tokens, 8)

    def test_many(self):
        with simulated() as mock:
            done = client(mock).chat.completions.create(model="m", messages=messages("t1"), n=40, temperature=1)
            drawn = {choice.message.content for choice in done.choices}
            self.assertEqual([choice.index for choice in done.choices], list(range(40)))
            self.assertGreaterEqual(drawn, {"sound", "games"})
            done = client(mock).chat.completions.create(model="m", messages=messages("t1"), n=40, temperature=0)
            self.assertEqual(len({choice.message.content for choice in done.choices}), 1)

    def test_logprobs(self):
        with simulated() as mock:
            for i in range(5):
                done = client(mock).chat.completions.create(model="m", messages=messages(f"t{i}"), logprobs=True,
                                                            top_logprobs=5)
                choice = done.choices[0]
                first = choice.logprobs.content[0]
                self.assertEqual(first.token, choice.message.content)
                self.assertEqual(bytes(first.bytes).decode(), first.token)
                top = {item.token: math.exp(item.logprob) for item in first.top_logprobs}
                self.assertEqual(set(top), {"sound", "games", "unknown"})
                self.assertAlmostEqual(sum(top.values()), 1, 5)
                self.assertAlmostEqual(top["sound"], 0.49, 2)

    def test_schema(self):
        with MockServer() as mock:
            done = client(mock).chat.completions.create(model="m", messages=messages(), response_format=SCHEMA)
            self.assertEqual(json.loads(done.choices[0].message.content), {"label": "games"})
            done = client(mock).chat.completions.create(model="m", messages=messages(),
                                                        extra_body={"structured_outputs": {"choice": ["no", "sound"]}})
            self.assertEqual(done.choices[0].message.content, "no")

    def test_stream(self):
        with MockServer() as mock:
            chunks = list(client(mock).chat.completions.create(
                model="m", messages=messages(), stream=True, stream_options={"include_usage": True},
                response_format=SCHEMA, logprobs=True))
            said = [chunk.choices[0] for chunk in chunks if chunk.choices]
            self.assertEqual("".join(choice.delta.content or "" for choice in said), '{"label": "games"}')
            self.assertEqual(said[-1].finish_reason, "stop")
            self.assertEqual(chunks[-1].usage.completion_tokens, sum(bool(c.delta.content) for c in said))
            self.assertAlmostEqual(said[1].logprobs.content[0].logprob, math.log(0.9), 5)
            with client(mock).chat.completions.stream(model="m", messages=messages()) as stream:
                self.assertEqual(stream.get_final_completion().choices[0].message.content, "games")


class Errors(unittest.TestCase):
    def ask(self, mock, **options):
        more = {key: options.pop(key) for key in ("api_key", "max_retries") if key in options}
        return client(mock, **more).chat.completions.create(**{"model": "m", "messages": messages(), **options})

    def test_classes(self):
        os.environ["MOCK_TEST_KEY"] = "k"
        self.addCleanup(os.environ.pop, "MOCK_TEST_KEY")
        script = [{"model": "busy", "status": 503, "count": 0}]
        with MockServer("--key", "MOCK_TEST_KEY", "--strict-parameters", "logprobs", script=script) as mock:
            for error, code, options in (
                    (openai.AuthenticationError, "invalid_api_key", {"api_key": "other"}),
                    (openai.BadRequestError, "unsupported_parameter", {"logprobs": True}),
                    (openai.BadRequestError, "invalid_value", {"n": 1000}),
                    (openai.InternalServerError, "mock_fault", {"model": "busy"})):
                with self.assertRaises(error) as caught:
                    self.ask(mock, **options)
                self.assertEqual(caught.exception.code, code)
            self.assertEqual(self.ask(mock, api_key="k").choices[0].message.content, "games")
            with self.assertRaises(openai.NotFoundError) as caught:
                client(mock).models.retrieve("none")
            self.assertEqual(caught.exception.code, "model_not_found")

    def test_too_fast(self):
        with MockServer("--requests-per-minute", "1") as mock:
            self.ask(mock)
            with self.assertRaises(openai.RateLimitError) as caught:
                self.ask(mock)
            self.assertEqual(caught.exception.code, "rate_limit_exceeded")
            self.assertGreater(int(caught.exception.response.headers["retry-after"]), 50)

    def test_its_retries(self):
        # 120 a minute: the package waits as long as it is told and no one gives up.
        with MockServer("--requests-per-minute", "120") as mock:
            start = time.monotonic()
            for _ in range(6):
                self.assertEqual(self.ask(mock, max_retries=5).choices[0].message.content, "games")
            self.assertGreater(time.monotonic() - start, 1.9)
            stats = mock.stats()
            self.assertEqual(stats["accepted"], 6)
            self.assertGreaterEqual(stats["rate_limited"], 1)
            self.assertLessEqual(stats["rate_limited"], 8)


class Others(unittest.TestCase):
    def test_models(self):
        with MockServer() as mock:
            model, = client(mock).models.list()
            self.assertEqual(client(mock).models.retrieve(model.id), model)

    def test_embeddings(self):
        with MockServer() as mock:
            texts = ["red green", "Green, red!", "blue"]
            # The package asks for base64 and decodes it where no encoding is named.
            packed = client(mock).embeddings.create(model="e", input=texts, dimensions=64)
            plain = client(mock).embeddings.create(model="e", input=texts, dimensions=64, encoding_format="float")
            for one, other in zip(packed.data, plain.data):
                self.assertEqual(len(one.embedding), 64)
                for x, y in zip(one.embedding, other.embedding):
                    self.assertAlmostEqual(x, y, 6)
            self.assertEqual(packed.data[0].embedding, packed.data[1].embedding)
            self.assertEqual(packed.usage.prompt_tokens, 7)

    def test_batch(self):
        script = [{"text": "broken", "status": 400, "error": "bad_line", "count": 0}]
        with MockServer("--batch-ms", "100", script=script) as mock:
            c = client(mock)
            lines = [{"custom_id": f"r{i}", "method": "POST", "url": "/v1/chat/completions",
                      "body": {"model": "m", "messages": messages(text)}}
                     for i, text in enumerate(["game", "audio", "broken", "game"])]
            file = c.files.create(file=("in.jsonl", "\n".join(map(json.dumps, lines)).encode()), purpose="batch")
            self.assertEqual(c.files.content(file.id).read().decode().count("custom_id"), 4)
            batch = c.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h",
                                     metadata={"for": "test"})
            self.assertEqual(batch.status, "validating")
            deadline = time.monotonic() + 20
            while batch.status in ("validating", "in_progress"):
                self.assertLess(time.monotonic(), deadline)
                batch = c.batches.retrieve(batch.id)
            self.assertEqual((batch.status, batch.metadata), ("completed", {"for": "test"}))
            self.assertEqual((batch.request_counts.completed, batch.request_counts.failed), (3, 1))
            rows = [json.loads(row) for row in c.files.content(batch.output_file_id).text.splitlines()]
            self.assertEqual({row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"]
                              for row in rows}, {"r0": "games", "r1": "sound", "r3": "games"})
            failed = json.loads(c.files.content(batch.error_file_id).text)
            self.assertEqual(failed["response"]["body"]["error"]["code"], "bad_line")
            self.assertEqual([other.id for other in c.batches.list(limit=1)], [batch.id])
            with self.assertRaises(openai.ConflictError):
                c.batches.cancel(batch.id)
            # Three files on pages of one, youngest first.
            self.assertEqual([other.id for other in c.files.list(limit=1)][-1], file.id)
            self.assertTrue(c.files.delete(file.id).deleted)
            with self.assertRaises(openai.NotFoundError):
                c.files.retrieve(file.id)

    def test_cancel(self):
        with MockServer("--batch-ms", "3600000") as mock:
            c = client(mock)
            line = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": "e", "input": "x"}}
            file = c.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
            batch = c.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
            self.assertEqual(c.batches.cancel(batch.id).status, "cancelling")
            self.assertEqual(c.batches.retrieve(batch.id).status, "cancelled")

    def test_azure(self):
        os.environ["MOCK_TEST_KEY"] = "k"
        self.addCleanup(os.environ.pop, "MOCK_TEST_KEY")
        with MockServer("--key", "MOCK_TEST_KEY") as mock:
            azure = openai.AzureOpenAI(azure_endpoint=mock.url.removesuffix("/v1"), api_key="k",
                                       api_version="2024-10-21", max_retries=0)
            done = azure.chat.completions.create(model="my-deployment", messages=messages())
            self.assertEqual((done.model, done.choices[0].message.content), ("my-deployment", "games"))
            self.assertEqual(len(azure.embeddings.create(model="d", input="x").data), 1)
            self.assertEqual(list(azure.batches.list()), [])
            with self.assertRaises(openai.AuthenticationError):
                azure.with_options(api_key="other").models.list()


if __name__ == "__main__":
    unittest.main()
