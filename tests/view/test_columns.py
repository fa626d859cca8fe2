"""A column is one value: a table needs no other word of it."""

import pytest

from klinetail.candle import MINUTE
from klinetail.view import candle_columns, stream_columns
from klinetail.view.columns import Column, of_candle
from klinetail.view.grid import choices
from klinetail.view.stream_columns import StreamRow
from klinetail.view.theme import UNICODE, UP
from tests.strategies import BTCUSDT_1M, candle
from tests.view.tables import ETHUSDT_1M, START, filled_table, forming, plain, table_of


def names(columns):
    return " ".join(column.name for column in columns)


class TestAddedColumn:
    TAKER_BUY = Column(
        "taker buy",
        of_candle(lambda candle: f"{candle.taker_buy_volume / candle.volume:.0%}"),
        heading="buy",
        width=4,
        rank=35,
    )

    def added(self, columns):
        return (*columns[:3], self.TAKER_BUY, *columns[3:])

    def test_one_entry_adds_a_column_to_the_candle_table(self):
        columns = self.added(candle_columns.COLUMNS)
        table = filled_table(2, candle_columns=columns)
        header, *rows = plain(table.render(90, 12))[2:6]
        assert header.split()[2:5] == ["high", "buy", "low"]
        assert [row.split()[4] for row in rows] == ["50%"] * 3
        assert all(row.index("50%") == header.index("buy") for row in rows)

    def test_the_same_entry_adds_the_column_to_the_stream_table(self):
        columns = self.added(stream_columns.COLUMNS)
        table = table_of(BTCUSDT_1M, ETHUSDT_1M, stream_columns=columns)
        table.put([candle(START, volumes=("8.000", "1", "2.000", "1"))])
        header, first, second = plain(table.render(90, 12))[2:5]
        assert header.split()[:3] == ["symbol", "buy", "close"]
        assert first.split()[:3] == ["BTCUSDT", "25%", "100.50"]
        assert second.split() == ["ETHUSDT", "–"], "no candle yet"

    @pytest.mark.parametrize("streams", [(BTCUSDT_1M,), (BTCUSDT_1M, ETHUSDT_1M)])
    def test_it_goes_by_its_rank_and_every_width_is_kept(self, streams):
        table = table_of(
            *streams,
            candle_columns=self.added(candle_columns.COLUMNS),
            stream_columns=self.added(stream_columns.COLUMNS),
        )
        table.put([candle(START), forming(START + MINUTE)])
        shown = []
        for width in range(220, 0, -1):
            lines = table.render(width, 12)
            assert all(line.cell_len <= width for line in lines)
            shown.append("buy" in lines[2].plain)
        gone = shown.index(False)
        assert shown[:gone] == [True] * gone
        assert not any(shown[gone:]), "a narrower screen does not bring it back"

    def test_the_table_itself_has_no_such_column(self):
        assert "buy" not in str(plain(filled_table(2).render(200, 12)))


class TestDefaults:
    def test_the_candle_table_drops_columns_in_this_order(self):
        assert [names(choice) for choice in choices(candle_columns.COLUMNS)] == [
            "time open high low close change volume trades state",
            "time open high low close change volume trades",
            "time open high low close change volume",
            "time high low close change volume",
            "time close change volume",
            "time close change",
            "time close",
            "close",
        ]

    def test_the_stream_table_drops_columns_in_this_order(self):
        head = "mark symbol interval close change"
        found = choices(stream_columns.COLUMNS)
        assert [names(choice) for choice in found] == [
            f"{head} last closes high low volume closes in",
            f"{head} last closes high low volume closes in",
            f"{head} last closes high low closes in",
            f"{head} last closes closes in",
            f"{head} closes in",
            head,
            "symbol interval close change",
            "symbol close change",
            "symbol close",
            "close",
        ]
        assert [choice[5].width for choice in found[:4]] == [24, 12, 12, 12]

    def test_nothing_but_the_close_stays_on_the_narrowest_screen(self):
        for columns in (candle_columns.COLUMNS, stream_columns.COLUMNS):
            assert [column.name for column in columns if column.rank == 0] == ["close"]


def test_what_takes_the_place_of_a_column_has_a_smaller_rank():
    def column(rank, instead=None):
        return Column("spark", lambda row: ("", ""), rank=rank, instead=instead)

    assert column(2, instead=column(1)).instead.rank == 1
    with pytest.raises(ValueError, match="spark"):
        column(2, instead=column(2))


@pytest.mark.parametrize("directed", [False, True])
def test_a_cell_of_a_candle_is_blank_before_the_first_candle(directed):
    column = Column("n", of_candle(lambda made: str(made.count), directed=directed))
    row = StreamRow(BTCUSDT_1M, UNICODE)
    assert column.cell(row) == ("", "")
    row.put(candle(START, count=7))
    row.change = ("+1", UP)
    assert column.cell(row) == ("7", UP if directed else "")


def test_a_cell_of_a_candle_is_harmless():
    column = Column("n", of_candle(lambda made: "\x1b[2J"))
    row = StreamRow(BTCUSDT_1M, UNICODE)
    row.put(candle(START))
    assert column.cell(row) == ("\\x1b[2J", "")
