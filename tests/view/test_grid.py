"""Columns are laid out by their widths, their ranks and their cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from klinetail.view.columns import Align, Column
from klinetail.view.grid import Grid, Layout, Place, choices, fit
from klinetail.view.theme import QUIET, UNICODE
from tests.strategies import BTCUSDT_1M
from tests.view.tables import ETHUSDT_1M

GLYPHS = UNICODE


def column(name, **kwargs):
    return Column(name, lambda row: (row.get(name, ""), ""), **kwargs)


def place(name, width, align=Align.RIGHT):
    return Place(column(name, align=align), width)


def grid_of(*columns, streams=(BTCUSDT_1M,), width=80):
    grid = Grid(columns, streams, GLYPHS)
    grid.settle(width)
    return grid


places = st.lists(
    st.builds(
        place, st.sampled_from("abcdef"), st.integers(1, 20), st.sampled_from(Align)
    ),
    min_size=1,
    max_size=6,
)
cell = st.tuples(st.text("x1. 币é", max_size=30), st.sampled_from(["", "bold", "red"]))


class TestGrid:
    def test_two_columns_of_one_name_are_refused(self):
        with pytest.raises(ValueError, match="same name: close, close"):
            grid_of(column("close"), column("close"))

    def test_some_column_has_to_stay(self):
        with pytest.raises(ValueError, match="rank 0"):
            grid_of(column("close", rank=1))

    def test_a_column_without_a_heading_is_headed_by_its_name(self):
        grid = grid_of(
            column("a", width=3),
            column("b", width=3, heading="B"),
            column("c", width=6, heading=lambda newest: newest["c"] if newest else "-"),
        )
        assert grid.header(None).plain.split() == ["a", "B", "-"]
        assert grid.header({"c": "newest"}).plain.split() == ["a", "B", "newest"]
        assert {style for _, style in grid.header(None).cells[1::2]} == {QUIET}

    def test_a_heading_is_made_once_for_the_same_words(self):
        grid = grid_of(column("a", width=3, heading=lambda newest: newest))
        first = grid.header("A")
        assert grid.header("A") is first
        assert grid.header("B").plain.strip() == "B"

    def test_the_streams_decide_about_a_column_and_its_width(self):
        def columns():
            yield column("a", width=1)
            yield column("b", width=lambda streams, _: 7 * len(streams), heading="!")
            yield column("c", width=1, needed=lambda streams: len(streams) > 1)

        alone = grid_of(*columns())
        both = grid_of(*columns(), streams=(BTCUSDT_1M, ETHUSDT_1M))
        assert [place.width for place in alone.layout.places] == [1, 7]
        assert [place.width for place in both.layout.places] == [1, 14, 1]

    def test_a_column_grows_with_its_cells_and_never_shrinks(self):
        grid = grid_of(column("a", width=2, grows=True), column("b", width=2))
        for text, width in (("1", 2), ("12345", 5), ("123", 5)):
            grid.measure({"a": text, "b": text})
            grid.settle(80)
            assert [place.width for place in grid.layout.places] == [width, 2]

    def test_a_column_that_is_not_set_by_the_point_is_as_wide_as_its_widest_cell(self):
        grid = grid_of(column("a", grows=True))
        for text in ("100.5", "1.125"):
            grid.measure({"a": text})
        grid.settle(80)
        assert [place.width for place in grid.layout.places] == [5]
        assert grid.line({"a": "1.125"}).plain == " 1.125"

    def test_a_wide_character_that_is_cut_leaves_no_hole(self):
        grid = grid_of(column("a", width=4), column("b", width=1))
        for text in ("币安人", "x币安人", "xy币安人"):
            line = grid.line({"a": text, "b": "|"})
            assert line.cell_len == grid.layout.width
            assert "…" in line.plain

    def test_a_cell_of_a_fixed_column_is_visibly_cut(self):
        grid = grid_of(column("a", width=4))
        assert grid.line({"a": "123456"}).plain == " 123…"

    def test_the_points_of_a_scale_are_in_line(self):
        kwargs = {"grows": True, "align": Align.POINT, "scale": "price"}
        grid = grid_of(column("a", **kwargs), column("b", **kwargs))
        rows = [{"a": "1.5", "b": "1234"}, {"a": "12.25", "b": ".125"}]
        for row in rows:
            grid.measure(row)
        assert grid.settle(80)
        assert [grid.line(row).plain for row in rows] == [
            "    1.5      1234",
            "   12.25         .125",
        ]

    def test_only_a_new_width_makes_lines_different(self):
        grid = Grid([column("a", grows=True)], [BTCUSDT_1M], GLYPHS)
        assert grid.settle(80)
        assert not grid.settle(80)
        grid.measure({"a": "1"})
        assert grid.settle(80)
        grid.measure({"a": "2"})
        assert not grid.settle(80)
        assert grid.settle(81)

    def test_timed_cells_are_those_on_the_line_only(self):
        grid = grid_of(
            column("a", width=3),
            column("b", width=3, timed=True),
            column("c", width=60, timed=True, rank=1),
        )
        row = {"a": "A", "b": "B", "c": "C"}
        assert grid.timed(row) == [("B", ""), ("C", "")]
        grid.settle(20)
        assert grid.timed(row) == [("B", "")]


class TestLayout:
    @given(st.data(), places)
    def test_a_line_is_never_wider_than_its_layout(self, data, places):
        cells = [data.draw(cell) for _ in places]
        layout = Layout(tuple(places), 2)
        assert layout.line(cells, GLYPHS).cell_len <= layout.width

    def test_cells_are_set_by_their_width_in_cells(self):
        layout = Layout((place("a", 6, Align.LEFT), place("b", 4)), 2)
        cells = [("币安", ""), ("1.5", "red")]
        assert layout.line(cells, GLYPHS).plain == " 币安     1.5"

    @given(st.lists(places, min_size=1, max_size=4), st.integers(1, 200))
    def test_the_first_that_fits_is_taken(self, choices, width):
        layout = fit(choices, width)
        fitting = [c for c in choices if Layout(tuple(c), 2).width <= width]
        if fitting:
            assert layout.places == tuple(fitting[0])
            assert layout.width <= width
        else:
            assert len(layout.places) == len(choices[-1])

    @pytest.mark.parametrize(
        ("width", "shown"),
        [
            (11, " one  three"),
            (10, "one  three"),
            (9, "one three"),
            (8, "one thr…"),
            (5, "one t"),
            (4, "one"),
            (3, "one"),
            (2, "o…"),
            (1, "o"),
        ],
    )
    def test_of_columns_that_stay_the_last_is_cut_on_the_narrowest_screen(
        self, width, shown
    ):
        grid = grid_of(column("a", width=3), column("b", width=5), width=width)
        line = grid.line({"a": "one", "b": "three"})
        assert line.plain.rstrip() == shown
        assert line.cell_len <= width

    @given(places)
    def test_wide_terminals_get_wider_gaps_but_not_without_end(self, places):
        assert fit([places], 1000).gap == 4
        blank = fit([places], 1000).line([("", "")] * len(places), GLYPHS)
        assert cell_len(blank.plain) == 0

    @given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
    def test_the_greatest_rank_goes_first_and_equal_ranks_go_together(self, ranks):
        columns = [column(str(at), rank=rank) for at, rank in enumerate(ranks)]
        found = choices(columns)
        assert found[0] == tuple(columns)
        levels = sorted(set(ranks) - {0}, reverse=True)
        assert found[1:] == [
            tuple(c for c in columns if c.rank < level) for level in levels
        ]
