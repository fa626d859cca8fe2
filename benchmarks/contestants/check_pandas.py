"""The checks of `klinetail check` with pandas: holes, doubles, disorder, close times,
impossible prices. `python check_pandas.py FILE` prints how many of each."""

import sys

import pandas as pd

MINUTE = 60_000


def main() -> None:
    """Check the file of the command line."""
    rows = pd.read_csv(sys.argv[1])
    steps = rows.groupby(["symbol", "interval"], sort=False)["open_time"].diff()
    first, last = rows["open"], rows["close"]
    high, low = rows["high"], rows["low"]
    found = {
        "holes": steps > MINUTE,
        "disorder": steps < 0,
        "doubles": rows.duplicated(["symbol", "interval", "open_time"]),
        "grid": rows["open_time"] % MINUTE != 0,
        "close times": rows["close_time"] != rows["open_time"] + MINUTE - 1,
        "prices": (high < first) | (high < last) | (low > first) | (low > last),
    }
    print(len(rows), {name: int(each.sum()) for name, each in found.items()})


if __name__ == "__main__":
    main()
