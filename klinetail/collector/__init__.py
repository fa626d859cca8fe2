"""What a program uses: `DataCollector` runs the links, the series and the backfills."""

from klinetail.collector.collector import DataCollector

__all__ = ["DataCollector"]
