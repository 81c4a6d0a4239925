"""Writes small random checkpoints of the three families and what PyTorch makes of them.

python3 -m venv /tmp/golden && /tmp/golden/bin/pip install torch transformers
/tmp/golden/bin/python make_encoder.py      (writes encoder/ and encoder.inc beside it)

encoder/FAMILY is the checkpoint; FAMILY/gradients and FAMILY/gradients_dropout hold the gradients
of the mean cross-entropy of the texts, named as the weights are. encoder.inc has the texts'
ids, logits, mean-pooled vectors and the losses of ten steps of AdamW. With dropout PyTorch gets
the masks of services/trainer/encoder/dropout.h.
"""
import json
import os
import pathlib
import shutil

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import (BertConfig, BertForSequenceClassification, DistilBertConfig,
                          DistilBertForSequenceClassification, RobertaConfig,
                          RobertaForSequenceClassification, get_linear_schedule_with_warmup)

HERE = pathlib.Path(__file__).resolve().parent
CLASSES = 3
VOCABULARY = 60
LENGTHS = (2, 9, 5, 14, 3)
LABELS = (0, 2, 1, 1, 0)
KEYS = (11, 1 << 40, 7, 12345678901234567890, 3)  # of the texts, for dropout
SEED, STEP = 42, 17  # of dropout
RATE, WARMUP, STEPS = 2e-3, 2, 10
RATES = {"dropout": 0.1, "attention": 0.15, "head": 0.2}
EMBEDDING, ATTENTION, ATTENTION_OUT, OUT, HEAD_IN, HEAD_OUT = range(6)
MASK64 = (1 << 64) - 1


def hash_mix(a, b):
    """hash_mix of shared/base/rng.h."""
    z = (a * 0x9e3779b97f4a7c15 + b + 0x7f4a7c15f39cc060) & MASK64
    z = (z ^ z >> 32) * 0xd6e8feb86659fd93 & MASK64
    z = (z ^ z >> 32) * 0xd6e8feb86659fd93 & MASK64
    return z ^ z >> 32


class Masks:
    """Our dropout in place of torch.nn.functional.dropout, for one text. The calls come in the
    order of the network."""

    def __init__(self, sites, text):
        self.sites = list(sites)
        self.text = text

    def row(self, key, threshold, position, columns):
        row_key = hash_mix(hash_mix(key, self.text), position)
        low, high = np.uint32(row_key & 0xffffffff), np.uint32(row_key >> 32)
        x = low + (columns // 2).astype(np.uint32) * np.uint32(0x9e3779b9)
        x = (x ^ x >> np.uint32(16)) * np.uint32(0x21f0aaad)
        x = (x ^ x >> np.uint32(15) ^ high) * np.uint32(0xd35a2d97)
        x = x ^ x >> np.uint32(15)
        bits = np.where(columns % 2, x >> np.uint32(16), x & np.uint32(0xffff))
        return np.where(bits < threshold, 0.0, 1.0 / (1.0 - threshold / 65536.0))

    def __call__(self, x, p=0.5, training=True, inplace=False):
        layer, site = self.sites.pop(0)
        threshold = round(p * 65536)
        key = hash_mix(hash_mix(SEED, STEP), layer * 256 + site)
        shape = x.shape
        if site == ATTENTION:
            _, heads, tokens, _ = shape
            columns = np.arange(heads)[:, None] * 65536 + np.arange(tokens)[None, :]
            mask = np.stack([self.row(key, threshold, t, columns) for t in range(tokens)], 1)
        else:
            flat = x.reshape(-1, shape[-1])
            mask = np.stack([self.row(key, threshold, t, np.arange(shape[-1]))
                             for t in range(flat.shape[0])])
        return x * torch.tensor(mask, dtype=x.dtype).reshape(shape)


def models():
    common = {"num_labels": CLASSES, "initializer_range": 0.2, "attn_implementation": "eager"}
    both = {**common, "vocab_size": VOCABULARY, "num_hidden_layers": 2,
            "hidden_dropout_prob": RATES["dropout"],
            "attention_probs_dropout_prob": RATES["attention"],
            "classifier_dropout": RATES["head"]}
    yield "bert", BertForSequenceClassification(BertConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=32, max_position_embeddings=20,
        **both))
    # Widths that are no multiples of a vector.
    yield "roberta", RobertaForSequenceClassification(RobertaConfig(
        hidden_size=24, num_attention_heads=3, intermediate_size=40, max_position_embeddings=22,
        type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2,
        **both))
    yield "distilbert", DistilBertForSequenceClassification(DistilBertConfig(
        vocab_size=VOCABULARY, dim=16, n_heads=2, n_layers=2, hidden_dim=36,
        max_position_embeddings=20, dropout=RATES["dropout"],
        attention_dropout=RATES["attention"], seq_classif_dropout=RATES["head"], **common))


def sites(family, layers):
    yield 0, EMBEDDING
    for layer in range(layers):
        yield layer, ATTENTION
        if family != "distilbert":
            yield layer, ATTENTION_OUT
        yield layer, OUT
    if family == "roberta":
        yield layers, HEAD_IN
    yield layers, HEAD_OUT


def forward(model, family, texts, dropout=False):
    """Logits of the texts, one at a time, so that there is no padding."""
    original = torch.nn.functional.dropout
    rows = []
    for ids, key in zip(texts, KEYS):
        if dropout:
            torch.nn.functional.dropout = Masks(sites(family, 2), key)
        try:
            rows.append(model(input_ids=torch.tensor([ids])).logits[0])
        finally:
            used, torch.nn.functional.dropout = torch.nn.functional.dropout, original
        assert not dropout or not used.sites
    return torch.stack(rows)


def loss_of(logits):
    return torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))


def gradients(model, family, texts, dropout):
    model.zero_grad()
    logits = forward(model, family, texts, dropout)
    loss_of(logits).backward()
    return logits, {name: p.grad.clone() if p.grad is not None else torch.zeros_like(p)
                    for name, p in model.named_parameters()}


def trace(model, family, texts):
    vectors = ("bias", "LayerNorm.weight", "layer_norm.weight")
    groups = [{"params": [p for n, p in model.named_parameters() if n.endswith(vectors) == plain],
               "weight_decay": 0.0 if plain else 0.01} for plain in (False, True)]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    schedule = get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    losses = []
    for _ in range(STEPS):
        loss = loss_of(forward(model, family, texts))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return losses


def save(folder, tensors):
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().float().contiguous() for k, v in tensors.items()},
              str(folder / "model.safetensors"), metadata={"format": "pt"})


def numbers(values):
    return "{" + ", ".join("%.9gf" % v if "." in "%.9g" % v or "e" in "%.9g" % v else "%.9g" % v
                           for v in np.asarray(values, dtype=float).ravel()) + "}"


def main():
    torch.manual_seed(3)
    rng = np.random.default_rng(3)
    texts = [[int(i) for i in rng.integers(3, VOCABULARY, n)] for n in LENGTHS]
    out = ["/* Made by make_encoder.py; don't edit. */",
           "static const uint32_t IDS[] = {%s};" % ", ".join(str(i) for t in texts for i in t),
           "static const uint32_t OFFSETS[] = {%s};"
           % ", ".join(str(i) for i in np.cumsum((0, *LENGTHS))),
           "static const uint64_t KEYS[] = {%s};" % ", ".join(f"{k}u" for k in KEYS),
           "static const int32_t LABELS[] = {%s};" % ", ".join(map(str, LABELS)),
           f"enum {{ TEXTS = {len(texts)}, TOKENS = {sum(LENGTHS)}, CLASSES = {CLASSES} }};",
           f"enum {{ STEPS = {STEPS}, WARMUP = {WARMUP}, HIDDEN_MAX = 24 }};",
           f"static const double RATE = {RATE};",
           f"static const struct dropout_step DROPOUT = {{{SEED}, {STEP}}};",
           "static const struct golden {", "\tconst char *family;",
           "\tfloat logits[TEXTS * CLASSES], logits_dropout[TEXTS * CLASSES];",
           "\tfloat pooled[TEXTS * HIDDEN_MAX];", "\tdouble losses[STEPS];", "} GOLDEN[] = {"]
    for family, model in models():
        folder = HERE / "encoder" / family
        shutil.rmtree(folder, ignore_errors=True)
        with torch.no_grad():  # biases and LayerNorm count, too
            for name, p in model.named_parameters():
                if p.dim() == 1:
                    p.add_(0.1 * torch.randn_like(p))
        save(folder, model.state_dict())
        config = model.config.to_dict()
        config["architectures"] = [type(model).__name__]
        (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
        model.eval()
        logits, plain = gradients(model, family, texts, False)
        save(folder / "gradients", plain)
        model.train()
        dropped, masked = gradients(model, family, texts, True)
        save(folder / "gradients_dropout", masked)
        model.eval()
        pooled = torch.stack([model.base_model(input_ids=torch.tensor([t])).last_hidden_state[0]
                              .mean(0) for t in texts])
        out += ["\t{", f'\t\t"{family}",', "\t\t%s," % numbers(logits.detach()),
                "\t\t%s," % numbers(dropped.detach()), "\t\t%s," % numbers(pooled.detach()),
                "\t\t%s," % numbers(trace(model, family, texts)), "\t},"]
    (HERE / "encoder.inc").write_text("\n".join(out + ["};", ""]))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    main()
