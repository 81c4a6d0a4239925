#!/usr/bin/env python3
"""Writes unicode.inc: what Hugging Face's `tokenizers` makes of each code point.

Every table is read off the library itself, because its parts follow different versions of
Unicode. Usage (tokenizers 0.23): python3 make_unicode.py > unicode.inc
"""
import unicodedata

from tokenizers import __version__, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xd800 <= c <= 0xdfff]
HANGUL = range(0xac00, 0xd7a4)


def bert(**options):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **options}).normalize_str


clean = bert(clean_text=True)
chinese = bert(handle_chinese_chars=True)
strip = bert(strip_accents=True)
lower = bert(lowercase=True)
nfd = normalizers.NFD().normalize_str
bert_pieces = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
bytes_pieces = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str


def moves(c):
    """The library puts it in its place among marks: it is none where it stays."""
    lowest, highest = "\u0334", "\u0345"
    return c in (lowest, highest) or nfd(highest + c) == c + highest or nfd(c + lowest) == lowest + c


def representatives():
    """One mark of each combining class."""
    found = {}
    for c in map(chr, CODE_POINTS):
        if unicodedata.combining(c) and nfd(c) == c and moves(c):
            found.setdefault(unicodedata.combining(c), c)
    return found


MARKS = representatives()


def combining_class(c):
    """0 for a starter; else as Python has it, and checked to sort so in the library."""
    if nfd(c) != c or not moves(c):
        return 0
    own = unicodedata.combining(c)
    for other, mark in MARKS.items():
        if mark != c:
            assert (nfd(mark + c) == c + mark) == (other > own), hex(ord(c))
            assert (nfd(c + mark) == mark + c) == (other < own), hex(ord(c))
    return own


def is_hangul(c):
    """Decomposed by the formula of chapter 3.12 of the Unicode standard."""
    if ord(c) not in HANGUL:
        return False
    s = ord(c) - 0xac00
    parts = chr(0x1100 + s // 588) + chr(0x1161 + s % 588 // 28)
    parts += chr(0x11a7 + s % 28) if s % 28 else ""
    assert strip(c) == parts
    return True


def flags_of(c, classes):
    flags = []
    cleaned, pieces = clean(c), len(bert_pieces("a" + c + "b"))
    if cleaned == "":
        flags.append("CLEAN_DROP")
    elif cleaned == " ":
        flags.append("CLEAN_SPACE")
    else:
        assert cleaned == c
    if chinese(c) != c:
        assert chinese(c) == f" {c} "
        flags.append("CHINESE")
    if pieces > 1:
        flags.append({2: "BERT_SPACE", 3: "BERT_PUNCTUATION"}[pieces])
    kinds = [kind for kind, x in (("LETTER", "x"), ("NUMBER", "1"), ("OTHER", "!"))
             if len(bytes_pieces(x + c + x)) == 1]
    assert len(kinds) <= 1
    kind = kinds[0] if kinds else "SPACE"
    if kind != "OTHER":
        flags.append(kind)
    if strip(c) == "":
        flags.append("MARK")
    order = classes[c]
    if order:
        flags.append(f"ORDER({order})")
    return " | ".join(flags) or "0"


def rows(items, per_line):
    items = list(items)
    for i in range(0, len(items), per_line):
        print("\t" + ", ".join(items[i:i + per_line]) + ",")
    print("};")


def print_classes():
    ccc = {chr(c): combining_class(chr(c)) for c in CODE_POINTS}
    # A mark that is taken out needs no place in the order; what counts is that it is no starter.
    kept = sorted({k for c, k in ccc.items() if k and strip(c) != ""})
    assert len(kept) < 7
    order = {c: 0 if k == 0 else 7 if strip(c) == "" else 1 + kept.index(k) for c, k in ccc.items()}
    print("static const uint16_t ascii[128] = {")
    rows((flags_of(chr(c), order) for c in range(128)), 4)
    print("/* From the code point on. */\nstatic const struct unicode_range ranges[] = {")
    ranges, last = [], None
    for c in map(chr, CODE_POINTS):
        flags = flags_of(c, order)
        if flags != last:
            ranges.append(f"{{{ord(c):#x}, {flags}}}")
        last = flags
    rows(ranges, 3)


def print_stripped():
    print("/* Decomposed, without the marks; the rest is 0. */")
    print("static const struct unicode_stripped stripped[] = {")
    found = []
    for c in map(chr, CODE_POINTS):
        to = strip(c)
        if to not in ("", c) and not is_hangul(c):
            assert len(to) <= 3 and "\0" not in to
            found.append(f"{{{ord(c):#x}, {{{', '.join(f'{ord(x):#x}' for x in to)}}}}}")
    rows(found, 6)


def print_lower():
    """Runs of code points `step` apart that all move by the same distance."""
    print("/* Lower case: first, last, step, distance. U+0130 has two code points and is not here. */")
    print("static const struct unicode_lower lowered[] = {")
    runs = []
    for c in map(chr, CODE_POINTS):
        to = lower(c)
        if c == "\u0130":
            assert to == "i\u0307"
            continue
        if to == c:
            continue
        assert len(to) == 1
        at, move = ord(c), ord(to) - ord(c)
        if runs and runs[-1][3] == move:
            first, last, step, _ = runs[-1]
            gap = at - last
            if gap <= 2 and (first == last or gap == step):
                runs[-1] = (first, at, gap, move)
                continue
        runs.append((at, at, 1, move))
    rows((f"{{{a:#x}, {b:#x}, {s}, {d}}}" for a, b, s, d in runs), 4)


if __name__ == "__main__":
    print(f"/* Made by make_unicode.py with tokenizers {__version__}; don't edit. */")
    print_classes()
    print_stripped()
    print_lower()
