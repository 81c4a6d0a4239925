"""Made-up samples of three topics, which keywords and a small model can tell apart."""
import random

LABELS = ["sound", "games", "mail"]
KEYWORDS = {"sound": ["audio", "music"], "games": ["game", "puzzle"], "mail": ["mail", "spam"]}
TOPIC = {
    "sound": "song play tune listen record volume mixer speaker".split(),
    "games": "player level board score cards enemy dungeon quest".split(),
    "mail": "message inbox send address filter folder server list".split(),
}
FILLER = "a tool for the desktop with simple fast small library and support of many things".split()


def samples(count, seed=1):
    """Words of a topic and filler; two in three have a keyword."""
    rng = random.Random(seed)
    rows = []
    for i in range(count):
        label = LABELS[rng.randrange(3)]
        words = rng.sample(TOPIC[label], 3) + rng.sample(FILLER, 4)
        if rng.random() < 0.66:
            words.append(rng.choice(KEYWORDS[label]))
        rng.shuffle(words)
        rows.append({"id": f"s{i}", "text": " ".join(words) + f" {i}", "label": label})
    return rows


def task_text(url, rounds="[{shots: 6}, {relabel: 0.3, shots: 6}]", concurrency=16, model="{type: ngram}",
              llm="", more=""):
    llm = (f", concurrency: {concurrency}" if concurrency else "") + (llm and ", " + llm)
    labels = "\n".join(f"  - {{name: {name}, keywords: [{', '.join(KEYWORDS[name])}]}}" for name in LABELS)
    return (f"task: topics\nlabels:\n{labels}\ninput: {{text: text, id: id, gold: label}}\n"
            f"llm: {{url: {url}, model: freeal-mockllm-offline{llm}}}\n"
            f"model: {model}\nrounds: {rounds}\npool: 30\nseed: 3\n{more}")
