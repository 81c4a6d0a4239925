#!/usr/bin/env python3
"""Writes small tokenizers into tokenizer/, and tokenizer.inc: what Hugging Face's `tokenizers`
makes of difficult texts with each of them.

Usage (tokenizers 0.23), in this folder: python3 make_tokenizer.py > tokenizer.inc
"""
import json
import pathlib

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = pathlib.Path(__file__).resolve().parent / "tokenizer"
IDS_MAX = 48
SENTENCES = """
The quick brown fox jumps over the lazy dog, and the dog doesn't mind; it's asleep.
We'll see what they've done: I'm sure you'd say they're the best of 1234 and 567890.
Élan, naïveté and café are words with accents; so are Ångström, Übung and señor.
Tokens are made of letters, numbers (3.14, 42%), spaces and marks -- nothing more!
Привет, мир. Γειά σου Κόσμε. 你好，世界。 こんにちは世界 안녕하세요 세계 שלום עולם مرحبا بالعالم नमस्ते दुनिया
A letter is a letter is a letter, lettering, lettered; the fox and the boxes, foxes and oxen.
""".strip().split("\n")
# (text, how often it is repeated)
TEXTS = [(text, 1) for text in [
    "", " ", "the", "The Quick brown FOX", "  leading and   inner  spaces  ", "it's we'll I'M they've'd ''s 'Sx",
    "a\tb\nc\r\nd\x0be\x0cf\x85g\xa0h\u1680i\u2003j\u2028k\u2029l\u202fm\u205fn\u3000o\u180ep\u200bq\ufeffr",
    "nul\0inside and\x01\x1f\x7f\x9f\xadcontrol", "\0", "tab\t\t\tand \t mixed\n\n\nlines \n",
    "cafe\u0301 caf\u00e9 e\u0323\u0301 e\u0301\u0323 \u0301alone \u0130stanbul \u00c5\u212b \u1e9b\u0323",
    "\u0391\u03a3 \u03c3\u03c2 STRASSE stra\u00dfe \u1e9e \ufb01ne \u2126 \u017f \u01c5 \ua64a \U00010400",
    "a\u302e\u1b44b \u1b44\u302e \U0001d15e \U0001d16d\U0001d165 x\u08d4\u0301\u1b44y a\ufe0f\u302e\ufe0f\u1b44",
    "\u4f60\u597d\uff0c\u4e16\u754cworld\U00020000\uf900\U0002f800 \u3053\u3093\u306b\u3061\u306f \uff21\uff22\uff11",
    "\uc548\ub155\ud558\uc138\uc694 \u1112\u1161\u11ab \uac00\uac01\ud7a3",
    "\u05e9\u05c1\u05b8\u05dc\u05d5\u05b9\u05dd \u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627 \u202e\u202dbidi\u202c\u2067",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0958 \u09cb \u0e01\u0e33 \u0f77\u0f73",
    "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1e9\U0001f1ea \u2764\ufe0f \U0001f44d\U0001f3fd",
    "x\u00b2\u00bd\u2163\u0664\u07c1\U0001d7d8 12\u06f334 3.14 1,000 #1",
    "!?\u2026\u2014\u00ab\u00bb\u00a1\u00bf$+<=>^`|~\u20ac\u00a7\u30fb\u2012",
    "[CLS] [SEP] [UNK] [PAD] [MASK] <s> </s> <unk> <pad> <mask>", "[SEP]", "the<mask>fox", "a [MASK] b", " <mask>",
    "##ing ## #the", "\u0120the \u010a \u00c4\u0100", "\ue000\uf8ff\U000e0001\U000e0041\U0010ffff\ufffd\ufffe",
    "Zalgo z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f\u031e\u0320\u034da",
]] + [("x", 100), ("x", 101), ("letter", 17), ("\u4e2d", 300), ("e\u0301", 150), ("\u302e\u1b44", 60),
      (" ", 500), ("foxes ", 40), ("the", 5000), ("\U0001f600", 2000), ("!?", 4000), ("\u0301", 3000)]


def c_string(text):
    return '"%s"' % "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}"
                            for b in text.encode())


def save(name, tokenizer, edit=lambda root: None):
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    root = json.loads(tokenizer.to_str())
    edit(root)
    (folder / "tokenizer.json").write_text(json.dumps(root, ensure_ascii=False, indent=None) + "\n")
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def wordpiece(name, **options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(**options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(SENTENCES * 3, trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    # Stored, and to be ignored.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    return save(name, tokenizer)


def plain_wordpiece(name, source, config):
    """The same vocabulary as vocab.txt."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = source.get_vocab()
    (folder / "vocab.txt").write_text("".join(t + "\n" for t in sorted(vocabulary, key=vocabulary.get)))
    (folder / "tokenizer_config.json").write_text(json.dumps(config) + "\n")
    tokenizer = Tokenizer.from_str(source.to_str())
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=config["do_lower_case"], strip_accents=config["strip_accents"],
        handle_chinese_chars=config["tokenize_chinese_chars"])
    return tokenizer


def bytelevel(name):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = [AddedToken(t, special=True) for t in ("<s>", "<pad>", "</s>", "<unk>")]
    special.append(AddedToken("<mask>", lstrip=True, special=True))
    # Without the whole alphabet: a byte that is no token is left out.
    tokenizer.train_from_iterator(SENTENCES * 3, trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return save(name, tokenizer)


def plain_bytelevel(name, source):
    """Files of their own, a space before each text, special tokens by other names."""
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    source.model.save(str(folder))
    special = {"cls_token": "<pad>", "sep_token": {"content": "<mask>", "lstrip": True}}
    (folder / "special_tokens_map.json").write_text(json.dumps(special) + "\n")
    (folder / "tokenizer_config.json").write_text('{"add_prefix_space": true}\n')
    tokenizer = Tokenizer.from_str(source.to_str())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = processors.RobertaProcessing(("<mask>", 4), ("<pad>", 1))
    return tokenizer


def old_bytelevel(name, source):
    """Merges as strings, an unknown token, a model without a type."""
    def edit(root):
        root["model"]["merges"] = [" ".join(pair) for pair in root["model"]["merges"]]
        root["model"]["unk_token"] = "<unk>"
        del root["model"]["type"]
        del root["normalizer"]
    return save(name, source, edit)


def print_ids(name, tokenizer):
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    print(f"\t{{\"{name}\", {tokenizer.get_vocab_size()}, {{")
    for text, repeat in TEXTS:
        ids = tokenizer.encode(text * repeat).ids
        if len(ids) > IDS_MAX:
            shown = ids[:IDS_MAX - 1] + ids[-1:]
        else:
            shown = ids
        print(f"\t\t{{{len(ids)}, {{{', '.join(map(str, shown))}}}}},")
    print("\t}},")


def main():
    uncased = wordpiece("uncased")
    cased = wordpiece("cased", lowercase=False)
    byte = bytelevel("bytelevel")
    peers = {
        "uncased": uncased,
        "cased": cased,
        "cased_plain": plain_wordpiece("cased_plain", cased, {
            "do_lower_case": True, "strip_accents": False, "tokenize_chinese_chars": False}),
        "bytelevel": byte,
        "bytelevel_plain": plain_bytelevel("bytelevel_plain", byte),
        "bytelevel_old": old_bytelevel("bytelevel_old", byte),
    }
    print("/* Made by make_tokenizer.py; don't edit. */")
    print(f"#define IDS_MAX {IDS_MAX}\n#define TEXT_COUNT {len(TEXTS)}")
    print("static const struct {\n\tconst char *text;\n\tsize_t bytes, repeat;\n} TEXTS[TEXT_COUNT] = {")
    for text, repeat in TEXTS:
        print(f"\t{{{c_string(text)}, {len(text.encode())}, {repeat}}},")
    print("};\n/* Of each text: how many ids without a limit, and those with IDS_MAX. */")
    print("static const struct {\n\tconst char *folder;\n\tuint32_t vocabulary;\n\tstruct {\n\t\tsize_t count;\n"
          "\t\tuint32_t ids[IDS_MAX];\n\t} texts[TEXT_COUNT];\n} PEERS[] = {")
    for name, tokenizer in peers.items():
        print_ids(name, tokenizer)
    print("};")


if __name__ == "__main__":
    main()
