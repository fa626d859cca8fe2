"""All of `serve --chaos all` at once: the output beside the exchange's own ledger."""

import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from klinetail.formats import jsonl
from tests.measured.shared import Process

MINUTES = 10
WORDS = ["btcusdt", "ethusdt", "algousdt", "1m", "5m", "-n", "20"]


def measure(quick, seed):
    seconds = 30 if quick else MINUTES * 60
    with TemporaryDirectory() as folder:
        ledger, out = Path(folder) / "ledger.jsonl", Path(folder) / "out.jsonl"
        words = ["--speed", "60", "--chaos", "all", "--seed", str(seed)]
        words += ["--port", "0", "--ledger", str(ledger)]
        with Process("serve", *words) as serve:
            serve.says(b"--rest-url http")
            line = next(
                text for text in serve.err.decode().splitlines() if "--ws" in text
            )
            route = line.partition(": ")[2].split()
            with (
                out.open("wb") as file,
                Process("watch", *WORDS, *route, stdout=file) as watch,
            ):
                time.sleep(seconds)
                watch.end(signal.SIGTERM)
                receipt = watch.err.decode().splitlines()[-1]
            serve.end(signal.SIGTERM)
            faults = serve.err.decode().splitlines()[-1]
        return {**compare(ledger, out), "receipt": receipt, "faults": faults}


def compare(ledger, out):
    truth = {}
    for text in ledger.open("rb"):
        candle = jsonl.decode(text)
        truth[candle.stream, candle.open_time] = candle
    last, wrong, holes, compared = {}, 0, 0, 0
    for text in out.open("rb"):
        candle = jsonl.decode(text)
        expected = last.get(candle.stream, candle.open_time)
        holes += candle.open_time != expected
        last[candle.stream] = candle.close_time + 1
        if (known := truth.get((candle.stream, candle.open_time))) is not None:
            compared += 1
            wrong += known.texts != candle.texts or known.count != candle.count
    return {
        "streams": len(last),
        "compared_with_the_ledger": compared,
        "wrong": wrong,
        "missing_doubled_or_out_of_order": holes,
    }
