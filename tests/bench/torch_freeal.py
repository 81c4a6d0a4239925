"""FreeAL's robust training and plain cross-entropy in PyTorch and transformers.

The peer of the encoder's benchmarks, run with the Python of environment.python("torch").

    torch_freeal.py paper|plain MODEL TRAIN TEST OUT [--epochs N] [--seed N] [--bf16] ...

Lines of TRAIN and TEST: label (-1: none), clean (0 or 1; unused), text, second view, separated by
tabs. Nothing here sees a gold label: TEST's probabilities go to OUT/test-EPOCH.npy, the training
rows' to OUT/train-EPOCH.npy, what each epoch took to OUT/epochs.jsonl. A run that was stopped
goes on behind its last whole epoch.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from sklearn.mixture import GaussianMixture

TEMPERATURE = 0.85
MIXUP_SHAPE = 4.0
WARMUP_EPOCHS = 4
RAMP_EPOCHS = 10
POSTERIOR = 0.7
TOKENS = 128
WINDOW = 50  # batches that are sorted by length together


@dataclasses.dataclass
class Data:
    labels: np.ndarray
    texts: list  # of lists of ids
    seconds: list


def read_table(path):
    with open(path, encoding="utf-8", newline="\n") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    return np.array([int(row[0]) for row in rows]), *[[row[i] for row in rows] for i in (1, 2, 3)]


def read_data(path, tokenizer):
    labels, _, texts, seconds = read_table(path)

    def ids(strings):
        return tokenizer(strings, truncation=True, max_length=TOKENS)["input_ids"]
    return Data(labels, ids(texts), ids([second or text for second, text in zip(seconds, texts)]))


def pad(rows, width=None):
    """Ids and mask (rows, width), width None: the longest."""
    width = width or max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, :len(row)] = torch.tensor(row)
        mask[i, :len(row)] = 1
    return ids, mask


class Network(torch.nn.Module):
    """A model of transformers, cut between its last layer's first states and its head."""

    def __init__(self, source, class_count):
        """`source`: a folder, or a configuration for random weights."""
        super().__init__()
        auto = transformers.AutoModelForSequenceClassification
        if isinstance(source, transformers.PretrainedConfig):
            source.num_labels = class_count
            self.model = auto.from_config(source)
        else:
            self.model = auto.from_pretrained(source, num_labels=class_count, dtype=torch.float32)
        self.family = self.model.config.model_type
        self.base = getattr(self.model, self.model.base_model_prefix)

    def sentences(self, ids, mask):
        return self.states(ids, mask)[:, 0]

    def states(self, ids, mask):
        pooler, self.base.pooler = getattr(self.base, "pooler", None), None
        try:
            return self.base(input_ids=ids, attention_mask=mask).last_hidden_state
        finally:
            self.base.pooler = pooler

    def head(self, sentences):
        if self.family == "bert":
            pooled = self.base.pooler(sentences[:, None])
            return self.model.classifier(self.model.dropout(pooled))
        if self.family == "distilbert":
            return self.model.classifier(self.model.dropout(F.relu(self.model.pre_classifier(sentences))))
        return self.model.classifier(sentences[:, None])

    def forward(self, ids, mask):
        return self.head(self.sentences(ids, mask))


def autocast(bf16):
    return torch.autocast("cpu", torch.bfloat16) if bf16 else contextlib.nullcontext()


def optimizer_new(network, rate):
    plain = [p for name, p in network.named_parameters() if p.ndim < 2]
    matrices = [p for name, p in network.named_parameters() if p.ndim >= 2]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01},
                              {"params": plain, "weight_decay": 0.0}], lr=rate, fused=True)


def divergence(target, student):
    """KL(target || student), students flattened, targets taken as constant; summed."""
    return F.kl_div(F.log_softmax(student / TEMPERATURE, dim=1), F.softmax(target, dim=1).detach(),
                    reduction="sum")


def freeal_loss(network, texts, seconds, labels, clean, ramp, generator):
    """A batch's loss. `texts` and `seconds`: ids and mask; `clean` picks rows."""
    sentences = network.sentences(*texts)
    logits = network.head(sentences).float()
    second_logits = network(*seconds).float()
    count = len(labels)
    loss = torch.zeros(())
    if clean.any():
        chosen = sentences[clean]
        own = labels[clean]
        part = generator.beta(MIXUP_SHAPE, MIXUP_SHAPE)
        part = max(part, 1.0 - part)
        partner = torch.from_numpy(generator.permutation(len(own)))
        mixed = network.head(part * chosen + (1.0 - part) * chosen[partner]).float()
        mix = part * F.cross_entropy(mixed, own) + (1.0 - part) * F.cross_entropy(mixed, own[partner])
        loss = F.cross_entropy(logits[clean], own)
        loss = loss + ramp * (mix + F.cross_entropy(second_logits[clean], own))
    if not clean.all():
        loss = loss + ramp / count * (divergence(logits[~clean], second_logits[~clean])
                                      + divergence(second_logits[~clean], logits[~clean]))
    return loss


def step(network, optimizer, loss):
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()


def batches(order, lengths, size, generator, sort):
    """Batches of a random order; with `sort`, of a like length within WINDOW batches."""
    if not sort:
        return [order[at:at + size] for at in range(0, len(order), size)]
    found = []
    for at in range(0, len(order), size * WINDOW):
        window = order[at:at + size * WINDOW]
        window = window[np.argsort(-lengths[window], kind="stable")]
        found += [window[i:i + size] for i in range(0, len(window), size)]
    return [found[i] for i in generator.permutation(len(found))]


@torch.no_grad()
def predict(network, rows, bf16=False, size=64):
    """Logits (rows, classes); rows sorted by length."""
    network.eval()
    order = np.argsort([-len(row) for row in rows], kind="stable")
    logits = None
    for at in range(0, len(order), size):
        chosen = order[at:at + size]
        with autocast(bf16):
            part = network(*pad([rows[i] for i in chosen])).float()
        if logits is None:
            logits = torch.zeros((len(rows), part.shape[1]))
        logits[torch.from_numpy(chosen)] = part
    network.train()
    return logits


def clean_set(network, data, bf16):
    """Labelled rows whose own loss lies with the low component."""
    losses = F.cross_entropy(predict(network, data.texts, bf16), torch.from_numpy(data.labels),
                             reduction="none").numpy().astype(float)
    scaled = ((losses - losses.min()) / (losses.max() - losses.min()))[:, None]
    mixture = GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0).fit(scaled)
    return mixture.predict_proba(scaled)[:, mixture.means_.argmin()] > POSTERIOR


def paper_epoch(network, optimizer, scheduler, data, epoch, generator, options):
    """One epoch of FreeAL's recipe; gives the mean loss and the share of clean rows."""
    rows = len(data.labels)
    clean = np.ones(rows, dtype=bool)
    if epoch >= WARMUP_EPOCHS:
        clean = clean_set(network, data, options.bf16)
    lengths = np.array([max(len(a), len(b)) for a, b in zip(data.texts, data.seconds)])
    total = 0.0
    todo = batches(generator.permutation(rows), lengths, options.batch, generator, options.sort)
    for number, chosen in enumerate(todo):
        ramp = min(1.0, (epoch + number / len(todo)) / RAMP_EPOCHS)
        labels = torch.from_numpy(data.labels[chosen])
        with autocast(options.bf16):
            loss = freeal_loss(network, pad([data.texts[i] for i in chosen], options.width),
                               pad([data.seconds[i] for i in chosen], options.width), labels,
                               torch.from_numpy(clean[chosen]), ramp, generator)
        step(network, optimizer, loss)
        scheduler.step()
        total += loss.item()
    return total / len(todo), clean.mean()


def plain_epoch(network, optimizer, scheduler, data, epoch, generator, options):
    lengths = np.array(list(map(len, data.texts)))
    total = 0.0
    todo = batches(generator.permutation(len(lengths)), lengths, options.batch, generator, options.sort)
    for chosen in todo:
        with autocast(options.bf16):
            logits = network(*pad([data.texts[i] for i in chosen], options.width)).float()
        loss = F.cross_entropy(logits, torch.from_numpy(data.labels[chosen]))
        step(network, optimizer, loss)
        scheduler.step()
        total += loss.item()
    return total / len(todo), 1.0


RECIPES = {  # epoch, rate, share of the steps that warm the rate up
    "paper": (paper_epoch, 3e-5, 0.0),
    "plain": (plain_epoch, 5e-5, 0.1),
}


class Training:
    """A network, its optimiser and how far they are."""

    def __init__(self, recipe, source, data, class_count, options):
        torch.manual_seed(options.seed)
        self.run, rate, warmup = RECIPES[recipe]
        self.options = options
        self.data = data
        self.generator = np.random.default_rng(options.seed)
        self.network = Network(source, class_count)
        self.network.train()
        self.optimizer = optimizer_new(self.network, options.rate or rate)
        steps = -(-len(data.labels) // options.batch) * options.epochs
        self.scheduler = transformers.get_linear_schedule_with_warmup(self.optimizer, round(warmup * steps), steps)
        self.epoch = 0

    def run_epoch(self):
        loss, clean = self.run(self.network, self.optimizer, self.scheduler, self.data, self.epoch,
                               self.generator, self.options)
        self.epoch += 1
        return loss, clean

    def save(self, path):
        torch.save({"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(),
                    "scheduler": self.scheduler.state_dict(), "epoch": self.epoch,
                    "random": torch.get_rng_state(), "generator": self.generator.bit_generator.state},
                   path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def load(self, path):
        state = torch.load(path, weights_only=False)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.generator.bit_generator.state = state["generator"]
        torch.set_rng_state(state["random"])
        self.epoch = state["epoch"]


def labelled(data):
    rows = np.flatnonzero(data.labels >= 0)
    return Data(data.labels[rows], [data.texts[i] for i in rows], [data.seconds[i] for i in rows])


def train(options):
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    everything = read_data(options.train, tokenizer)
    data = labelled(everything)
    test = read_data(options.test, tokenizer)
    training = Training(options.recipe, options.model, data, int(data.labels.max()) + 1, options)
    state = out / "state.pt"
    if state.exists():
        training.load(state)
    while training.epoch < options.epochs:
        start = time.monotonic()
        loss, clean = training.run_epoch()
        row = {"epoch": training.epoch, "seconds": round(time.monotonic() - start, 1), "loss": loss,
               "clean_share": float(clean)}
        # Whole passes in fp32, the clock stopped.
        for name, texts in (("test", test.texts), ("train", everything.texts)):
            if name == "test" or training.epoch == options.epochs:
                probabilities = F.softmax(predict(training.network, texts), dim=1).numpy()
                np.save(out / f"{name}-{training.epoch}.npy", probabilities)
        with open(out / "epochs.jsonl", "a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
        training.save(state)
    state.unlink(missing_ok=True)


def parser_new(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, help="instead of the recipe's")
    parser.add_argument("--width", type=int, help="tokens that texts are padded to; else the longest of a batch")
    parser.add_argument("--sort", action="store_true", help="batches of a like length")
    parser.add_argument("--bf16", action="store_true", help="bfloat16 autocast")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def main():
    parser = parser_new(__doc__.split("\n", 1)[0])
    parser.add_argument("recipe", choices=RECIPES)
    for name in ("model", "train", "test", "out"):
        parser.add_argument(name)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options)


if __name__ == "__main__":
    main()
