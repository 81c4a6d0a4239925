"""What may change in a task file while its project lives, and what is refused by name."""
import unittest

from run_case import Case

from topics import samples


class Change(Case):
    def test_a_finished_project(self):
        mock = self.mock()
        task, source = self.write_task(mock.url), self.write_input(samples(60))
        self.run_to_end(task, source, "out")
        asked, text = len(mock.records()), task.read_text()
        embeddings = f"embeddings: {{url: {mock.url}, model: e}}\n"
        for more, words in ((embeddings, "embeddings (url, model, dimensions) differs"),
                            ("augment: paraphrase\n", "augment (its language) differs")):
            task.write_text(text + more)
            self.assertIn(words, self.run_to_end(task, source, "out", code=2))
        # Another server, limits, a budget, templates: nothing of it is about what was labelled.
        task.write_text(text.replace("llm: {url: %s, model: freeal-mockllm-offline, concurrency: 16}" % mock.url,
                                     "llm: {endpoints: [other], answers: json, samples: 3, temperature: 1}")
                        + "endpoints: [{name: other, url: http://127.0.0.1:1, model: m, requests_per_minute: 5}]\n"
                        + "budget: {requests: 100000, tokens: 100000000}\ncache: off\n"
                        + "prompt: {user: \"Text: {text}\"}\n")
        self.assertIn("other", task.read_text())
        self.assertIn("finished already", self.run_to_end(task, source, "out"))
        self.assertEqual(len(mock.records()), asked)


if __name__ == "__main__":
    unittest.main()
