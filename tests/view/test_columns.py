"""Columns are as wide as they say."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from klinetail.view.columns import Column, Layout, fit
from klinetail.view.theme import UNICODE

columns = st.lists(
    st.builds(Column, st.sampled_from("abcdef"), st.integers(1, 20), st.booleans()),
    min_size=1,
    max_size=6,
    unique_by=lambda column: column.name,
)
cells = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(st.text("x1. 币é", max_size=30), st.sampled_from(["", "bold", "red"])),
)


@given(columns, cells)
def test_a_row_is_never_wider_than_its_layout(columns, cells):
    layout = Layout(tuple(columns), 2)
    assert layout.row(cells, UNICODE).cell_len <= layout.width


def test_cells_are_set_by_their_width_in_cells():
    layout = Layout((Column("a", 6, right=False), Column("b", 4)), 2)
    cells = {"a": ("币安", ""), "b": ("1.5", "red")}
    assert layout.row(cells, UNICODE).plain == " 币安     1.5"


def test_a_cell_that_does_not_fit_is_visibly_cut():
    row = Layout((Column("a", 4),), 2).row({"a": ("123456", "")}, UNICODE)
    assert row.plain == " 123…"


@given(st.lists(columns, min_size=1, max_size=4), st.integers(1, 200))
def test_the_first_that_fits_is_taken(choices, width):
    layout = fit(choices, width)
    fitting = [c for c in choices if Layout(tuple(c), 2).width <= width]
    if fitting:
        assert layout.columns == tuple(fitting[0])
        assert layout.width <= width
    else:
        assert len(layout.columns) == len(choices[-1])


@given(columns)
def test_wide_terminals_get_wider_gaps_but_not_without_end(columns):
    assert fit([columns], 1000).gap == 4
    assert cell_len(fit([columns], 1000).row({}, UNICODE).plain) == 0
