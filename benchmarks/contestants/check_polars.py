"""The checks of `klinetail check` with polars' streaming engine: holes, doubles,
disorder, close times, impossible prices. `python check_polars.py FILE` prints how many
of each."""

import sys

import polars as pl

MINUTE = 60_000


def main() -> None:
    """Check the file of the command line."""
    time, end = pl.col("open_time"), pl.col("close_time")
    steps = time.diff().over("symbol", "interval")
    low, high = pl.col("low"), pl.col("high")
    lowest = pl.min_horizontal("open", "close")
    highest = pl.max_horizontal("open", "close")
    found = (
        pl.scan_csv(sys.argv[1])
        .with_columns(steps.alias("step"))
        .select(
            pl.len().alias("rows"),
            (pl.col("step") > MINUTE).sum().alias("holes"),
            (pl.col("step") < 0).sum().alias("disorder"),
            (pl.col("step") == 0).sum().alias("doubles"),
            (time % MINUTE != 0).sum().alias("grid"),
            (end != time + MINUTE - 1).sum().alias("close times"),
            ((low > lowest) | (high < highest)).sum().alias("prices"),
        )
        .collect(engine="streaming")
    )
    print(found.to_dicts())


if __name__ == "__main__":
    main()
