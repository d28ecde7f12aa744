"""Trains small.model and writes small.expected.json: texts and the ids that SentencePiece gives them.

Usage: python make.py (sentencepiece 0.2.3 made the committed files).
"""
import json
from pathlib import Path

import sentencepiece

HERE = Path(__file__).parent
SENTENCES = [
    "a red apple lies on a wooden table in the morning light",
    "two cats are sleeping on the table, one is red and one is white",
    "the light of the lantern falls on an old book with a golden cover",
    "a photograph of a mountain lake at sunset, very detailed, warm colours",
    "an emoji of a smiling apple with white gloves, simple, flat, bright",
    "wooden boats on the lake, morning mist, soft light, wide angle",
    "a golden bird sits on the cover of an old, old book about cats",
    "white mist over the mountain, a red sun, a lantern in the window",
]
TEXTS = ["", " ", "a red cat", "  two   spaces ", "golden lantern, wide angle!", "line\nbreak\ttab",
         "caf\u00e9 \u732b \U0001f431", "<ctrl> <user> a<user>b", "\ufb01ne \u00bd \u2167",
         "unseen XYZ 0123456789"]

sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(SENTENCES * 20), model_prefix=str(HERE / "small"), vocab_size=400,
    model_type="unigram", byte_fallback=True, hard_vocab_limit=False, control_symbols=["<ctrl>"],
    user_defined_symbols=["<user>"], num_threads=1, minloglevel=2)
(HERE / "small.vocab").unlink()
processor = sentencepiece.SentencePieceProcessor(model_file=str(HERE / "small.model"))
expected = [{"text": text, "ids": processor.encode(text), "decoded": processor.decode(processor.encode(text))}
            for text in TEXTS]
(HERE / "small.expected.json").write_text(json.dumps({"vocab_size": len(processor), "texts": expected}, indent=1) + "\n")
