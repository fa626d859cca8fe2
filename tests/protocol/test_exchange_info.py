"""The list of symbols: recorded answers decode, and an odd entry hides no other."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from klinetail.candle import LAST_TIME, MAX_SYMBOL, symbol_fault
from klinetail.protocol.exchange_info import Listing, Listings, decode_listings
from tests.protocol.bodies import HTML, bad_or, refused
from tests.strategies import json_values, symbols


class TestListings:
    def test_a_listing_does_not_change(self):
        listing = Listing("BTCUSDT", "TRADING")
        with pytest.raises(AttributeError):
            listing.status = "SETTLING"

    def test_listings_that_are_made_up_have_nothing_odd(self):
        listings = Listings([Listing("BTCUSDT", "TRADING")])
        assert listings == [Listing("BTCUSDT", "TRADING")]
        assert (listings.entries, listings.odd, listings.left_out) == (1, 0, 0)
        assert Listings() == []

    def test_the_whole_of_2021(self, shared_data):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2021-07-22_full.json"
        symbols = json.loads(path.read_bytes())["symbols"]
        listings = decode_listings(path.read_bytes())

        assert len(listings) > 120
        assert [(one.symbol, one.status) for one in listings] == [
            (symbol["symbol"], symbol["status"]) for symbol in symbols
        ]

    def test_some_of_2026(self, shared_data):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2026-10-07_subset.json"
        listings = decode_listings(path.read_bytes())
        statuses = {one.symbol: one.status for one in listings}

        assert len(statuses) == 5
        assert statuses["BTCUSDT"] == statuses["币安人生USDT"] == "TRADING"
        assert "SETTLING" in statuses.values()
        assert any("_" in symbol for symbol in statuses)  # a quarterly

    def test_what_a_user_needs_to_know_of_a_symbol(self, shared_data):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2026-10-07_subset.json"
        raw = {x["symbol"]: x for x in json.loads(path.read_bytes())["symbols"]}
        for one in decode_listings(path.read_bytes()):
            symbol = raw[one.symbol]
            filters = {x["filterType"]: x for x in symbol["filters"]}
            assert one.contract_type == symbol["contractType"]
            assert (one.base, one.quote) == (symbol["baseAsset"], symbol["quoteAsset"])
            assert one.tick_size == filters["PRICE_FILTER"]["tickSize"]
            assert one.step_size == filters["LOT_SIZE"]["stepSize"]
            assert one.onboard_time == symbol["onboardDate"]

    @pytest.mark.parametrize("digits", ["", "1e-3", "-1", "NaN", ".5", "00.1", "٣"])
    def test_digits_that_are_none_are_not_passed_on(self, digits):
        symbol = {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "contractType": "\x1b[2J",
            "onboardDate": 1 << 60,
            "filters": [{"filterType": "PRICE_FILTER", "tickSize": digits}],
        }
        body = json.dumps({"symbols": [symbol]}).encode()
        assert decode_listings(body) == [Listing("BTCUSDT", "TRADING")]

    @pytest.mark.parametrize(
        "name", ["A\u3164", "\u115fA", "A\ufe0f", "A\n", "A\u202e"]
    )
    def test_names_that_hide_something_are_not_passed_on(self, name):
        symbol = {"status": "TRADING", "baseAsset": name, "quoteAsset": "币安人生"}
        listed = [symbol | {"symbol": one} for one in ("BTCUSDT", f"B{name}")]
        (listing,) = decode_listings(json.dumps({"symbols": listed}).encode())
        assert (listing.symbol, listing.base, listing.quote) == (
            "BTCUSDT",
            "",
            "币安人生",
        )

    @pytest.mark.parametrize("over", [0, 1])
    def test_what_is_too_long_or_too_late_is_not_passed_on(self, over):
        name, time = "A" * (MAX_SYMBOL + over), LAST_TIME + over
        symbol = {"symbol": "BTCUSDT", "status": "TRADING", "baseAsset": name}
        body = json.dumps({"symbols": [symbol | {"onboardDate": time}]}).encode()
        (listing,) = decode_listings(body)
        assert listing.base == ("" if over else name)
        assert listing.onboard_time == (0 if over else time)

    def test_what_cannot_be_a_symbol_is_left_out(self):
        body = json.dumps(
            {
                "symbols": [
                    {"symbol": symbol, "status": "TRADING"}
                    for symbol in (
                        "../X",
                        "BTCUSDT",
                        "\x1b[2J",
                        "btcusdt",
                        "",
                        "A" * 41,
                    )
                ]
            }
        )
        assert decode_listings(body.encode()) == [Listing("BTCUSDT", "TRADING")]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{}",
            b"[]",
            b'""',
            HTML,
            b'{"symbols":null}',
            b'{"symbols":{}}',
            b'{"symbols":["BTCUSDT"]}',
            b'{"symbols":[null,7,{},[]]}',
            b'{"symbols":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
            b'{"symbols":[{"symbol":1,"status":"TRADING"}]}',
            b'{"symbols":[{"symbol":"A\xff","status":"TRADING"}]}',
            b'{"symbols":[{"symbol":"\\ud800","status":"TRADING"}]}',
            b'{"symbols":' + b"[" * 100_000,
            b'{"x":' * 100_000,
        ],
    )
    def test_other_bodies_are_bad(self, body):
        refused(decode_listings, body)

    @given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
    def test_any_body_is_bad_or_symbols(self, body):
        for listing in bad_or(decode_listings, body) or []:
            assert symbol_fault(listing.symbol) is None

    @pytest.mark.parametrize("at", [0, 2, 4])
    @pytest.mark.parametrize(
        ("key", "value", "field"),
        [
            ("contractType", b"null", "contract_type"),
            ("contractType", rb'"\u001b[2J"', "contract_type"),
            ("filters", b"null", "tick_size step_size"),
            ("filters", b'[null,{"filterType":5}]', "tick_size step_size"),
            ("onboardDate", b"null", "onboard_time"),
            ("onboardDate", b"true", "onboard_time"),
            ("onboardDate", b"-1", "onboard_time"),
            ("onboardDate", b"1e999", "onboard_time"),
            ("deliveryDate", b"9" * 6000, "delivery_time"),
            ("deliveryDate", b'"4133404800000"', "delivery_time"),
            ("baseAsset", b"5", "base"),
            ("baseAsset", rb'"\ud800"', "base"),
            ("quoteAsset", b'"US\xffDT"', "quote"),
            ("quoteAsset", b'"US\nDT"', "quote"),
            ("status", b"null", "status"),
        ],
    )
    def test_an_odd_field_is_blank_and_costs_nothing_else(
        self, shared_data, at, key, value, field
    ):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2026-10-07_subset.json"
        usual = decode_listings(path.read_bytes())
        info = json.loads(path.read_bytes())
        info["symbols"][at][key] = "HERE"
        body = json.dumps(info).encode().replace(b'"HERE"', value)
        found = decode_listings(body)
        blank = {
            one: "" if type(getattr(usual[at], one)) is str else 0
            for one in field.split()
        }
        assert found[:at] + found[at + 1 :] == usual[:at] + usual[at + 1 :]
        assert found[at] == msgspec.structs.replace(usual[at], **blank)
        assert (found.entries, found.odd, found.left_out) == (5, 1, 0)
        assert found.sample == usual[at].symbol
        assert (usual.entries, usual.odd, usual.sample) == (5, 0, "")

    def test_a_filter_that_is_null_costs_no_other_filter(self):
        filters = [None, {"filterType": "PRICE_FILTER", "tickSize": "0.10"}, 7]
        symbol = {"symbol": "BTCUSDT", "status": "TRADING", "filters": filters}
        found = decode_listings(json.dumps({"symbols": [symbol]}).encode())
        assert found == [Listing("BTCUSDT", "TRADING", tick_size="0.10")]
        assert found.odd == 1

    @pytest.mark.parametrize(
        ("entry", "sample"),
        [
            (b"null", "None"),
            (b"7", "7"),
            (b"[[]]", "[[]]"),
            (b"{}", "{}"),
            (b'{"status":"TRADING"}', "{'status': 'TRADING'}"),
            (
                b'{"symbol":null,"status":"TRADING"}',
                "{'symbol': None, 'status': 'TRADING'}",
            ),
            (rb'{"symbol":"A\ud800","status":"TRADING"}', r"A\ud800"),
            (b'{"symbol":"A\xff","status":"TRADING"}', r"A\udcff"),
            (b'{"symbol":"' + b"A" * 99 + b'","status":"TRADING"}', "A" * MAX_SYMBOL),
            (b'{"symbol":"BTCUSDT","status":"TRADING"}', "BTCUSDT"),
        ],
    )
    def test_an_entry_that_names_no_new_symbol_is_left_out_and_counted(
        self, entry, sample
    ):
        good = b'{"symbol":"%s","status":"TRADING"}'
        entries = [good % b"BTCUSDT", entry, good % b"ETHUSDT"]
        found = decode_listings(b'{"symbols":[' + b",".join(entries) + b"]}")
        assert found == [Listing(f"{s}USDT", "TRADING") for s in ("BTC", "ETH")]
        assert (found.entries, found.odd, found.left_out) == (3, 1, 1)
        assert found.sample == sample[:MAX_SYMBOL]
        found.sample.encode()

    def test_an_entry_without_a_status_is_odd_and_of_several_the_first_is_named(self):
        entries = b'{"symbol":"BTCUSDT"},{"symbol":"ETHUSDT","status":1}'
        found = decode_listings(b'{"symbols":[' + entries + b"]}")
        assert found == [Listing("BTCUSDT", ""), Listing("ETHUSDT", "")]
        assert (found.odd, found.left_out, found.sample) == (2, 0, "BTCUSDT")

    def test_digits_that_are_none_make_an_entry_odd(self):
        price = b'{"filterType":"PRICE_FILTER","tickSize":"abc"}'
        entry = b'{"symbol":"BTCUSDT","status":"TRADING","filters":[' + price + b"]}"
        found = decode_listings(b'{"symbols":[' + entry + b"]}")
        assert found == [Listing("BTCUSDT", "TRADING")]
        assert (found.odd, found.left_out, found.sample) == (1, 0, "BTCUSDT")

    def test_a_date_is_any_time_after_the_epoch(self):
        entry = b'{"symbol":"BTCUSDT","status":"TRADING","deliveryDate":1}'
        found = decode_listings(b'{"symbols":[' + entry + b"]}")
        assert found == [Listing("BTCUSDT", "TRADING", delivery_time=1)]
        assert found.odd == 0

    def test_an_exchange_may_list_nothing(self):
        assert decode_listings(b'{"symbols":[]}') == []

    def test_of_a_symbol_that_is_there_twice_nobody_knows_which_status_counts(self):
        statuses = ("SETTLING", "TRADING", "TRADING")
        symbols = [{"symbol": "BTCUSDT", "status": status} for status in statuses]
        body = json.dumps({"symbols": [*symbols, {"symbol": "A", "status": "TRADING"}]})
        found = decode_listings(body.encode())
        assert found == [Listing("BTCUSDT", ""), Listing("A", "TRADING")]
        assert (found.odd, found.left_out) == (2, 2)

    @given(st.lists(st.tuples(symbols, json_values | st.none()), max_size=8))
    def test_whatever_stands_beside_them_all_that_are_usual_come_as_usual(self, some):
        usual = {symbol: "TRADING" for symbol, odd in some if odd is None}
        entries = [
            {"symbol": symbol, "status": "TRADING"} if odd is None else odd
            for symbol, odd in some
        ]
        found = bad_or(decode_listings, json.dumps({"symbols": entries}).encode())
        listed = {one.symbol: one for one in found or []}
        for symbol in usual:
            assert listed[symbol] == Listing(symbol, "TRADING")
        assert len(listed) == len(found or [])

    @pytest.mark.parametrize("name", ["2021-07-22_full", "2026-10-07_subset"])
    def test_what_is_odd_elsewhere_changes_nothing(self, shared_data, name):
        body = (shared_data / f"rest_misc/fapi_exchangeInfo_{name}.json").read_bytes()
        odd = body.replace(b"{", rb'{"x":"\ud800","y":[1e999,"' + b'\xff"],', 1)
        assert odd != body
        assert decode_listings(odd) == decode_listings(body)
        assert decode_listings(odd).odd == 0

    def test_cut_anywhere_it_is_bad(self, shared_data):
        path = shared_data / "rest_misc" / "fapi_exchangeInfo_2026-10-07_subset.json"
        body = path.read_bytes().rstrip()
        for end in range(0, len(body), 7):
            refused(decode_listings, body[:end])
