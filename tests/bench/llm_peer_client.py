"""Labels texts with one of the peers and prints how many it did in how much time.

Usage: llm_peer_client.py PEER URL PROMPTS IN_FLIGHT SECONDS; runs in a Python of llm_peer.py.
"""

import asyncio
import itertools
import json
import sys
import time
import types

WARM_SECONDS = 1


class Count:
    """Labels between two moments, and the process's CPU time between them."""

    def __init__(self, seconds):
        self.start = time.monotonic() + WARM_SECONDS
        self.end = self.start + seconds
        self.labels = 0
        self.first = None

    def one_more(self):
        """False: time is up."""
        now = time.monotonic()
        if now < self.start:
            return True
        if self.first is None:
            self.first, self.cpu = now, time.process_time()
            return True
        self.labels += 1
        self.last, self.cpu_last = now, time.process_time()
        return now < self.end

    def print(self):
        print(json.dumps({"labels": self.labels, "seconds": self.last - self.first,
                          "cpu_seconds": self.cpu_last - self.cpu}))


def messages(prompts, text):
    found = [{"role": "system", "content": prompts["system"]}]
    for demonstration, label in prompts["demonstrations"]:
        found.append({"role": "user", "content": demonstration})
        found.append({"role": "assistant", "content": label})
    return [*found, {"role": "user", "content": text}]


async def together(prompts, in_flight, count, label):
    """`label(text)` for one text after the other, `in_flight` at the same time."""
    texts = itertools.cycle(prompts["texts"])
    ended = False

    async def worker():
        nonlocal ended
        while not ended:
            if await label(next(texts)) not in prompts["labels"]:
                raise RuntimeError("not a label")
            ended = ended or not count.one_more()

    await asyncio.gather(*(worker() for _ in range(in_flight)))


async def openai_run(prompts, url, in_flight, count):
    import openai

    async with openai.AsyncOpenAI(api_key="none", base_url=url, timeout=120) as client:
        async def label(text):
            reply = await client.chat.completions.create(
                model="fixed", messages=messages(prompts, text), temperature=0, max_tokens=20)
            return reply.choices[0].message.content.strip()

        await together(prompts, in_flight, count, label)


async def aiohttp_run(prompts, url, in_flight, count):
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def label(text):
            body = {"model": "fixed", "messages": messages(prompts, text), "temperature": 0, "max_tokens": 20}
            async with session.post(url + "/chat/completions", json=body) as reply:
                return (await reply.json())["choices"][0]["message"]["content"].strip()

        await together(prompts, in_flight, count, label)


class TokensByLength:
    """For tiktoken, whose tables come from the net; autolabel counts tokens with it to tell the
    cost. Cheaper than the real one."""

    @staticmethod
    def encode(text):
        return range(len(text) // 4)


def autolabel_run(prompts, count):
    sys.modules["tiktoken"] = types.SimpleNamespace(encoding_for_model=lambda model: TokensByLength)
    import autolabel
    import pandas

    agent = autolabel.LabelingAgent({
        "task_name": "sections", "task_type": "classification",
        "dataset": {"label_column": "label", "delimiter": ","},
        "model": {"provider": "openai", "name": "gpt-3.5-turbo", "params": {"max_tokens": 20}},
        "prompt": {
            "task_guidelines": prompts["system"], "labels": prompts["labels"],
            "few_shot_examples": [{"text": text, "label": label} for text, label in prompts["demonstrations"]],
            "few_shot_selection": "fixed", "few_shot_num": len(prompts["demonstrations"]),
            "example_template": "Input: {text}\nOutput: {label}"}},
        cache=False, console_output=False)
    label = agent.llm.label
    ended = []

    class Ended(Exception):
        pass

    def counted(texts):
        if ended:
            raise Ended
        result = label(texts)
        if result.errors[0] or result.generations[0][0].text not in prompts["labels"]:
            raise RuntimeError("not a label")
        if not count.one_more():
            ended.append(True)
        return result

    agent.llm.label = counted
    table = pandas.DataFrame({"text": prompts["texts"], "label": ""})
    try:
        agent.run(autolabel.AutolabelDataset(table, agent.config), skip_eval=True)
    except Ended:
        pass


def main():
    peer, url, path, in_flight, seconds = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        prompts = json.load(file)
    count = Count(float(seconds))
    if peer == "autolabel":
        autolabel_run(prompts, count)
    else:
        run = openai_run if peer == "openai" else aiohttp_run
        asyncio.run(run(prompts, url, int(in_flight), count))
    count.print()


if __name__ == "__main__":
    main()
