"""Small random BERT checkpoints in Hugging Face's layout, by Python's standard library alone."""
import json
import pathlib
import random
import string
import struct

from topics import FILLER, KEYWORDS, LABELS, TOPIC

WORDS = sorted({word for label in LABELS for word in TOPIC[label] + KEYWORDS[label]} | set(FILLER))
CHARACTERS = string.ascii_lowercase + string.digits
HIDDEN, LAYERS, HEADS, INTERMEDIATE, POSITIONS = 32, 2, 2, 64, 40


def vocabulary():
    pieces = [*CHARACTERS, *("##" + c for c in CHARACTERS)]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces, *(w for w in WORDS if len(w) > 1)]


def shapes(words):
    yield "embeddings.word_embeddings.weight", (words, HIDDEN)
    yield "embeddings.position_embeddings.weight", (POSITIONS, HIDDEN)
    yield "embeddings.token_type_embeddings.weight", (2, HIDDEN)
    yield from norm("embeddings.LayerNorm")
    for i in range(LAYERS):
        at = f"encoder.layer.{i}."
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            yield from linear(at + "attention." + name, HIDDEN, HIDDEN)
        yield from norm(at + "attention.output.LayerNorm")
        yield from linear(at + "intermediate.dense", INTERMEDIATE, HIDDEN)
        yield from linear(at + "output.dense", HIDDEN, INTERMEDIATE)
        yield from norm(at + "output.LayerNorm")
    yield from linear("pooler.dense", HIDDEN, HIDDEN)


def linear(name, rows, columns):
    return [(name + ".weight", (rows, columns)), (name + ".bias", (rows,))]


def norm(name):
    return [(name + ".weight", (HIDDEN,)), (name + ".bias", (HIDDEN,))]


def values(name, count, rng):
    if name.endswith("LayerNorm.weight"):
        return [1.0] * count
    scale = 0.0 if name.endswith("bias") else 1.0 if "word" in name else 0.2
    return [rng.gauss(0, scale) if scale else 0.0 for _ in range(count)]


def write(folder, seed=1, model_type="bert"):
    """A checkpoint of the topics' words in `folder`."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    words = vocabulary()
    rng = random.Random(seed)
    header, data = {}, b""
    for name, shape in shapes(len(words)):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        block = struct.pack(f"<{count}f", *values(name, count, rng))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(block)]}
        data += block
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True}))
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["BertModel"], "model_type": model_type, "vocab_size": len(words), "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "initializer_range": 0.02, "pad_token_id": 0}))
    return folder
