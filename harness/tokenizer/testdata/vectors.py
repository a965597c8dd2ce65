"""Writes vectors.json: texts and the token ids that OpenAI's tiktoken gives for them, with Qwen's split pattern and with cl100k's.

    pip install tiktoken==0.14.0
    python3 harness/tokenizer/testdata/vectors.py cl100k_base.tiktoken > harness/tokenizer/testdata/vectors.json

The comment in ../gen/main.go says where cl100k_base.tiktoken comes from. The random texts are drawn with a fixed seed.
"""

import json
import random
import sys

import tiktoken
from tiktoken.load import load_tiktoken_bpe

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

SCRIPTS = [
    "The quick brown fox jumps over the lazy dog.",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "Dès Noël, où un zéphyr haï me vêt de glaçons würmiens, je dîne d’exquis rôtis.",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Pchnąć w tę łódź jeża lub ośm skrzyń fig.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "דג סקרן שט בים מאוכזב ולפתע מצא חברה",
    "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश",
    "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า",
    "我能吞下玻璃而不伤身体。天地玄黃,宇宙洪荒。",
    "いろはにほへと ちりぬるを わかよたれそ つねならむ",
    "키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.",
    "Ⅻ ½ ² ③ ٣٤٥ १२३ 一二三 ௧௨",
    "བོད་སྐད་ཡིག",
    "ქართული ენა Հայերեն አማርኛ ᚠᛇᚻ 𐌰𐌱𐌲 𝒜𝓁𝓅𝒽𝒶",
]

EMOJI = ["😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "☃️ snow", "a😀b", "😀😀😀😀", "1️⃣2️⃣", "hi 👋, you!", "❤", "🫠🫡"]

CODE = [
    "func main() {\n\tfmt.Println(\"hello, world\")\n}\n",
    "for (int i = 0; i < 10; ++i) { sum += a[i]; }",
    "def f(x):\n    return x**2  # square\n\n\nclass A(B):\n        pass\n",
    "if err != nil {\r\n\t\treturn fmt.Errorf(\"x: %w\", err)\r\n}\r\n",
    "SELECT * FROM t WHERE id=12345 AND name='O''Brien';",
    "<a href=\"http://localhost:8000/v1?x=1&y=2\">it's</a>",
    "{\"a\":[1,2,3],\"b\":null}", "x->y; a::b; c=>d; e!==f; g<<=2;", "std::vector<std::map<int,int>>", "0xDEADBEEF 1e-9 3.14159",
    "camelCaseAndSnake_case_and-kebab-case", "/usr/local/bin/../share", "a@b.example, http://x.example/?q=%20", "$PATH ${HOME} `ls -la` && exit 1",
]

WHITESPACE = [
    " ", "  ", "   ", "\t", "\t\t", "\n", "\n\n", "\n\n\n\n", "\r\n", "\r\n\r\n", "\r", " \n", "\n ", " \n ", "  \n  \n  ", "a ", " a", "  a", "   a",
    "a  b", "a   b", "a\tb", "a\t\tb", "a \tb", "a\nb", "a \nb", "a\n b", "a\n\n  b", "a \n \n b", "a  \r\n  b", "a\r\rb", "! \n!", "!\n\n!", "!\r\n \r\n!",
    "a\u00a0b", "a\u00a0\u00a0b", "\u00a0", "\u00a0\n\u00a0a", "a\u2003b", "a \u2003 b", "a\u2028b", "a\u0085b", "\u0085\n", "a\u3000b", "a\u200bb", "\ufeffa", " \u00a0!", "\u00a0!",
    "\u000b\u000c", "a\u000bb", "a\u000c\nb", "1  2", " 1", "  1", "\t1", "\n1", "1 ", "1\n", " !", "  !", "\t!", "!  ", "a" + " " * 100 + "b", "\n" * 50, " " * 300, "\t" * 40 + "x",
]

CONTRACTIONS = [
    "it's", "IT'S", "don't", "DON'T", "we're", "WE'RE", "I've", "I'VE", "I'm", "I'M", "you'll", "YOU'LL", "he'd", "HE'D", "It'S", "we'Re", "we'rE", "they'Ll",
    "'s", "'S", "'t", "'re", "'ve", "'ll", "'d", "'m", "'r", "'v", "'l", "'", "''", "'''", "''s", "'sa", "'sabc", "'stuff", "'reason", "'velo", "'llama", "'data", "'x", "'\u017f", "it'\u017f",
    "'\u017fa", "'\u017ft", "'\u212a", "it’s", "don’t", " 's", "  's", "\n's", "1's", "!'s", "'1", "' s", "rock'n'roll", "'tis", "o'clock", "l'été", "'Red", "'lL", "'é",
]

DIGITS = [
    "1", "12", "123", "1234", "12345", "1234567890", "2026-11-23", "3.14", "1,234,567.89", "a1b2c3", "v1.2.3", "x86_64", "١٢٣٤٥", "½¾", "Ⅷ", "1²3", "00000000", " 12 345 6789", "#1", "1st 2nd",
]

SPECIAL = ["<|endoftext|>", "<|im_start|>user\nhi<|im_end|>", "<|fim_prefix|>", "e\u0301", "\u0301", "a\u0301\u0301b", "\u1100\u1161\u11a8", "\x00", "a\x00b", "\x7f", "\ufffd", "\U0010ffff", "a" * 200, "ab" * 150, "=" * 90, "-=" * 60, "哈" * 60, "abcdefghijklmnopqrstuvwxyz" * 4]

ALPHABET = list("aeinostzAEST  \t\n\r'’!.,-_(){}0159") + ["\r\n", "\n\n", "  ", "'s", "'RE", "'ll", "é", "ß", "я", "ж", "语", "の", "한", "ا", "प", "ि", "😀", "\u200d", "\u00a0", "\u2003", "\u2028", "\u0085", "\u017f", "½", "٣", "\u0301", "the", " and", " of", "ing", "http"]


def texts():
    yield from SCRIPTS + EMOJI + CODE + WHITESPACE + CONTRACTIONS + DIGITS + SPECIAL
    draw = random.Random(1)
    for _ in range(200):
        yield "".join(draw.choice(ALPHABET) for _ in range(draw.randint(2, 40)))


def main():
    ranks = load_tiktoken_bpe(sys.argv[1])
    qwen, cl100k = (
        tiktoken.Encoding(name, pat_str=PATTERN.replace("DIGITS", digits), mergeable_ranks=ranks, special_tokens={})
        for name, digits in (("qwen", ""), ("cl100k", "{1,3}"))
    )
    lines = [json.dumps({"text": t, "qwen": qwen.encode_ordinary(t), "cl100k": cl100k.encode_ordinary(t)}, separators=(",", ":")) for t in dict.fromkeys(texts())]
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main()
