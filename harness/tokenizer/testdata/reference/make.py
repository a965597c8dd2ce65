"""Trains small tokenizers with Hugging Face's library and writes what it encodes 10,000 random strings as.

    pip install tokenizers==0.23.3
    python3 harness/tokenizer/testdata/reference/make.py           all files
    python3 harness/tokenizer/testdata/reference/make.py splits    splits.json.gz alone, of the strings that are there

From the root of the repository, whose README, documents and Go files are the training text, beside samples of scripts. It writes, beside itself,

    strings.json.gz    the strings
    NAME.json          a tokenizer.json of each family
    NAME.ids.json.gz   of each string the CRC-32 of its ids (4 bytes each, little-endian), and the ids themselves of the first 300
    splits.json.gz     for lists of split patterns, of each string the last 16 bits of the CRC-32 of where its pieces end (in characters, 4 bytes each)

The strings are drawn with a fixed seed from every script of Python's Unicode version. Training again on another text gives other files.
"""

import gzip
import json
import pathlib
import random
import struct
import sys
import unicodedata
import zlib

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[3]
STRINGS, LISTED, VOCAB = 10_000, 300, 1800

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = CL100K.replace("{1,3}", "")
UPPER, LOWER, ENDING = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ENDING}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ENDING}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN35 = QWEN.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]+", r"[^\s\p{L}\p{M}\p{N}]+")
TEKKEN = O200K.replace(ENDING, "").replace("{1,3}", "")
POSSESSIVE = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s"

SAMPLES = [
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.", "Dès Noël, où un zéphyr haï me vêt de glaçons würmiens.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.", "Съешь же ещё этих мягких французских булок, да выпей чаю.", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה", "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر", "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า", "我能吞下玻璃而不伤身体。天地玄黃,宇宙洪荒。", "いろはにほへと ちりぬるを わかよたれそ つねならむ カタカナ",
    "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.", "😀👍🏽👩‍👩‍👧‍👦🏳️‍🌈🇩🇪☃️", "I'm sure we'll see: they've said it's what you'd want, and don't they're.",
]


def corpus():
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("harness/*.go"), *ROOT.glob("reporting/*.go")]):
        yield from path.read_text().splitlines(keepends=True)
    yield from SAMPLES * 20


# ---- the tokenizers ----------------------------------------------------------------------------------------------------------


def added(content, **flags):
    known = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": None, "content": content, **known, **flags}


def finish(tokenizer, model=None, extra=(), tokens=(), legacy=False, **parts):
    """Edits the trained tokenizer's JSON: fields of the model, tokens that no merge makes, added tokens, and other parts."""
    data = json.loads(tokenizer.to_str())
    data["added_tokens"] = []
    data["model"].update(model or {})
    vocab = data["model"]["vocab"]
    for token in extra:
        vocab.setdefault(token, len(vocab))
    for i, token in enumerate(tokens):
        known = vocab.get(token["content"])
        data["added_tokens"].append({**token, "id": len(vocab) + i if known is None else known})
    if legacy:
        data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]
    data.update(parts)
    return data


def byte_level(steps, normalizer=None, **how):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else steps[0]
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    return finish(tokenizer, **how)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def byte_fallback(across, **how):
    """across: merges may join the end of a word with the blank behind it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", "always", split=not across)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, special_tokens=special, limit_alphabet=250, show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    how["model"] = {"byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True}
    how["tokens"] = [added("<unk>"), added("<s>"), added("</s>"), *how.get("tokens", [])]
    return finish(tokenizer, **how)


def families():
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    chat = [added("<|endoftext|>"), added("<|im_start|>"), added("<|im_end|>")]
    # The oldest files: merges as lines, no type of the model, tokens without merges that must not be used.
    gpt2 = byte_level([pre_tokenizers.ByteLevel(add_prefix_space=False)], legacy=True, extra=["Ġlatencyness", "Ġqueueing"], tokens=chat[:1])
    del gpt2["model"]["type"]
    yield "gpt2", gpt2
    yield "roberta", byte_level(
        [pre_tokenizers.ByteLevel(add_prefix_space=True)], tokens=[added("<mask>", lstrip=True), added("<pad>", rstrip=True), added("word", single_word=True)])
    yield "llama3", byte_level([split(CL100K), plain], model={"ignore_merges": True}, extra=["Ġlatencyness", "Ġqueueing", "abc"],
        tokens=[added("<|begin_of_text|>"), added("<|eot_id|>")])
    yield "qwen", byte_level([split(QWEN), plain], normalizers.NFC(), tokens=[*chat, added("é!", normalized=True), added("<think>", special=False)])
    yield "o200k", byte_level([split(O200K), plain], tokens=chat)
    yield "possessive", byte_level([split(POSSESSIVE), plain], tokens=chat)
    yield "deepseek", byte_level([split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK), plain],
        tokens=[added("<｜begin▁of▁sentence｜>"), added("<｜User｜>", special=False)])
    yield "deepseekcoder", byte_level(
        [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"), pre_tokenizers.Digits(True), plain], normalizers.Sequence([]))
    yield "starcoder", byte_level([pre_tokenizers.Digits(False), pre_tokenizers.ByteLevel(add_prefix_space=False)], tokens=chat)
    # Behaviours that no family above has.
    yield "behaviours", byte_level([split("[.,]", "merged_with_previous"), split("[A-Z]", "merged_with_next"), split("[-_]", "contiguous"), split(r"\s", "isolated", True), plain])

    llama2 = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    yield "llama2", byte_fallback(False, normalizer=llama2, pre_tokenizer=None, tokens=[added("<tool>", normalized=True), added("▁▁▁x", special=False)])
    mistral = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    yield "mistral", byte_fallback(True, pre_tokenizer=mistral, tokens=[added("[INST]"), added("[/INST]")])
    blanks = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    pieces = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    yield "gemma", byte_fallback(False, normalizer=blanks, pre_tokenizer=pieces, extra=["\n\n", "\t\t"],
        tokens=[added("<start_of_turn>"), added("\n\n", special=False), added("<h1>", special=False)])
    yield "metaspace", byte_fallback(False, pre_tokenizer={"type": "Metaspace", "replacement": "▁", "add_prefix_space": True}, tokens=[added("<sep>", lstrip=True, rstrip=True)])


def cased():
    """The cased letters as ranges, which is how DeepSeek V2 spells them."""
    codes = [c for c in range(0x20000) if unicodedata.category(chr(c)) in ("Lu", "Ll", "Lt")]
    starts = [c for c, before in zip(codes, [-1, *codes]) if c != before + 1]
    ends = [c for c, behind in zip(codes, [*codes[1:], -1]) if behind != c + 1]
    return "".join(chr(a) if a == b else f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends))


def splits():
    letters, symbols, han = rf"\s?[{cased()}]+", "\\s?[!-/:-~！-／：-～\u2018-\u201f\u3000-\u3002]+", "[一-龥ࠀ-一가-퟿]+"
    yield "gpt2", [GPT2]
    yield "cl100k", [CL100K]
    yield "possessive", [POSSESSIVE]
    yield "qwen", [QWEN]
    yield "qwen35", [QWEN35]
    yield "o200k", [O200K]
    yield "tekken", [TEKKEN]
    yield "deepseek", [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK]
    yield "deepseek2", ["[\r\n]", letters, symbols, r"\s+$", han, r"\p{N}"]
    yield "deepseekcoder", ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", han, r"\p{N}"]
    # Runs of a class in spellings that no family above has.
    yield "classes", [r"[ \t]+$", r"\p{Han}+", r"\s?[^\s\p{L}0-9]{1,2}", r"[]\-\n^]", r"[^a-z \]\p{M}-]+", r"\s+$"]


def ends(patterns, text):
    cuts = pre_tokenizers.Sequence([split(pattern) for pattern in patterns]).pre_tokenize_str(text)
    return [end for _, (_, end) in cuts]


# ---- the strings -------------------------------------------------------------------------------------------------------------

SCRIPT_SKIP = range(0x3400, 0xA000), range(0xAC00, 0xD7A4), range(0x17000, 0x18D00), range(0x20000, 0x32000)  # drawn apart: they are most of Unicode
BLANKS = [" ", "  ", "   ", "\t", "\n", "\r", "\r\n", "\n\n", " \n", "\u00a0", "\u2003", "\u2028", "\u0085", "\u3000", "\u000b", "\u000c", "\u200b", "\u1680", "\ufeff", "\u180e"]
EMOJI = ["😀", "👍", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "☃️", "❤", "1️⃣", "🫠", "\u200d", "\ufe0f", "🏽"]
CODE = ["func main() {", "\n\t", "\t\treturn err", "}\n", "for (int i = 0; i < n; ++i)", "if err != nil", "x->y", "a::b", "=>", "!==", "<<=", "0xDEADBEEF", "1e-9", "camelCase", "snake_case",
    "HTTPServer", "/usr/local", "'it''s'", "\"quoted\\n\"", "# comment", "// ", "/* */", "${HOME}", "&&", "||", "();", "[0]", "{}", "std::vector<int>", "SELECT * FROM t", "<a href=", "</a>", "    ", "\r\n"]
ENDINGS = ["'s", "'S", "'t", "'re", "'RE", "'ve", "'ll", "'LL", "'d", "'m", "'\u017f", "’s", "'x", "'", "''", "'lL"]
MARKS = ["\u0301", "\u0308", "\u0323", "\u0327", "\u0345", "\u20d0", "\u0f71", "\u0f72", "\u1161", "\u11a8", "\u3099", "\u0bbe"]
BASES = ["a", "e", "o", "A", "s", "q", "\u1100", "가", "か", "ா", "\u212b", "\u0958", "\ufb1d", "ö", "ṩ", "q\u0307", "\u2126"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_", "<mask>", " <mask>", "<pad>  ", "word", " word ", "swords", "<s>", "</s>", "<unk>", "<0x41>", "<tool>", " <tool>", "▁", "▁▁▁x", "[INST]",
    "[/INST]", "<start_of_turn>", "<h1>", "  <sep>  ", "<think>", "é!", "e\u0301!", "<｜User｜>", "<｜begin▁of▁sentence｜>", "<|eot_id|>", "<|begin_of_text|>", " latencyness", " queueing", "abc"]
WORDS = ["the", " the", " The", " latency", " tokens", " of", " throughput", "ing", " request", " server", " a", "I", " we", "They", " percentile", " MEASURE", " p99", "NaN", " naïve", " café", " concurrency"]


def unordered(char):
    """Whether the library does not know a mark's class: its tables for NFC are older than Python's, and it leaves newer marks where they stand."""
    return 0 < unicodedata.combining(char) < 240 and normalizers.NFD().normalize_str("a\u0345" + char).endswith(char)


def pages():
    """The assigned characters of each 128 code points, the large scripts apart. Marks that are new to the library are left out."""
    small, large = [], []
    for start in range(0x80, 0x32000, 0x80):
        chars = [chr(c) for c in range(start, start + 0x80) if unicodedata.category(chr(c))[0] in "LMNPS" and not unordered(chr(c))]
        if chars:
            (large if any(start in skipped for skipped in SCRIPT_SKIP) else small).append(chars)
    return small, large


def string(draw, small, large):
    def script():
        chars = draw.choice(small if draw.random() < 0.85 else large)
        return draw.choice(["", " "]) + "".join(draw.choice(chars) for _ in range(draw.randint(1, 6)))

    def accents():
        return draw.choice(BASES) + "".join(draw.choice(MARKS) for _ in range(draw.choice([1, 1, 2, 3, 5, 40])))

    def digits():
        return draw.choice(["", " ", "-", "$"]) + "".join(draw.choice("0123456789") for _ in range(draw.randint(1, 9))) + draw.choice(["", ".", ",", "½", "²", "٣", "Ⅷ"])

    kinds = {
        "scripts": [script], "words": [lambda: draw.choice(WORDS), lambda: draw.choice(WORDS) + draw.choice(ENDINGS)], "emoji": [lambda: draw.choice(EMOJI)],
        "code": [lambda: draw.choice(CODE)], "blanks": [lambda: draw.choice(BLANKS), lambda: draw.choice(BLANKS), lambda: draw.choice("a.1é")], "digits": [digits],
        "accents": [accents], "special": [lambda: draw.choice(SPECIAL), lambda: draw.choice(WORDS + BLANKS)],
        "ascii": [lambda: chr(draw.randint(0, 127)), lambda: chr(draw.randint(32, 126))],
    }
    chosen = [draw.choice(list(kinds.values())) for _ in range(draw.choice([1, 1, 2, 3]))]
    return "".join(draw.choice(draw.choice(chosen))() for _ in range(draw.randint(1, 10)))


def strings():
    draw = random.Random(7)
    small, large = pages()
    found = dict.fromkeys(["", " ", "a", *SPECIAL, *SAMPLES])
    while len(found) < STRINGS:
        found[string(draw, small, large)] = None
    return list(found)


def write(path, data):
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as packed:
        packed.write(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def packed(numbers):
    return zlib.crc32(struct.pack(f"<{len(numbers)}I", *numbers))


def main():
    if sys.argv[1:] == ["splits"]:
        texts = json.loads(gzip.decompress((HERE / "strings.json.gz").read_bytes()))
    else:
        texts = strings()
        write(HERE / "strings.json.gz", texts)
        train(texts)
    write(HERE / "splits.json.gz", {name: {"patterns": patterns, "sums": [packed(ends(patterns, text)) & 0xFFFF for text in texts]} for name, patterns in splits()})


def train(texts):
    for name, data in families():
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        (HERE / f"{name}.json").write_text(text + "\n")
        tokenizer = Tokenizer.from_str(text)
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        write(HERE / f"{name}.ids.json.gz", {"ids": ids[:LISTED], "sums": [packed(line) for line in ids]})
        print(name, len(data["model"]["vocab"]), "tokens,", sum(map(len, ids)), "ids")


if __name__ == "__main__":
    main()
