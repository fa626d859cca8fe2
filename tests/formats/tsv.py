"""A format that klinetail does not have, and klinetail with it: `python -m`."""

from klinetail.formats import csv
from klinetail.formats.registry import FORMATS


class Tsv:
    """Values between tabs."""

    HEADER = csv.HEADER.replace(b",", b"\t")

    def line(self, candle):
        return csv.line(candle).replace(",", "\t")

    def encode(self, candles):
        return "".join(map(self.line, candles)).encode()

    def recognises(self, line):
        return line.count(b"\t") >= 14

    def decoder(self, _path):
        return lambda line: csv.decode(line.replace(b"\t", b","))


if __name__ == "__main__":
    FORMATS.add("tsv", Tsv())
    from klinetail.cli import main

    main()
