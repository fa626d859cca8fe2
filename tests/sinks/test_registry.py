"""A suffix or a scheme asks for its sink, whether klinetail or a package has it; what
is wrong with a target or a package is one clear line."""

import importlib.metadata

import pytest

from klinetail.errors import OutputError, UsageError
from klinetail.formats.registry import suffixes
from klinetail.sinks.file import FileSink
from klinetail.sinks.output import Outputs
from klinetail.sinks.registry import Opening, Sinks
from klinetail.sinks.sink import WrittenOn
from tests.sinks.toy import Toy

TOY = "tests.sinks.toy:Toy"


def point(name, value=TOY):
    return importlib.metadata.EntryPoint(name, value, "klinetail.sinks")


def sinks(*points):
    return Sinks(lambda: points)


def opening():
    return Opening(updates=False, outputs=Outputs())


def refused(target, *points):
    with pytest.raises(UsageError) as caught:
        sinks(*points).open(target, opening())
    return str(caught.value)


def nothing_installed():
    pytest.fail("what is installed is looked at, which takes long")


@pytest.mark.parametrize("suffix", [*suffixes(), ".CSV"])
def test_files_of_known_formats_need_no_look_at_what_is_installed(tmp_path, suffix):
    sink = Sinks(nothing_installed).open(str(tmp_path / f"a{suffix}"), opening())
    assert isinstance(sink, FileSink)
    assert sink.written_on is WrittenOn.WORKER
    sink.close()


def test_no_two_outputs_lead_to_one_file(tmp_path):
    together = opening()
    sink = sinks().open(str(tmp_path / "a.csv"), together)
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    with pytest.raises(UsageError, match="the same file as --out"):
        sinks().open(str(tmp_path / "b.csv"), together)
    sink.close()


@pytest.mark.parametrize("scheme", ["toy:", "TOY:", "toy://"])
@pytest.mark.parametrize("name", ["a", "a.csv"])
def test_a_scheme_asks_for_the_sink_of_a_package(tmp_path, scheme, name):
    sink = sinks(point("toy")).open(f"{scheme}{tmp_path / name}", opening())
    assert isinstance(sink, Toy)
    assert (tmp_path / name).read_text() == "opened\n"


def test_a_suffix_asks_for_the_sink_of_a_package(tmp_path):
    path = tmp_path / "a.PARQUET"
    sink = sinks(point(".parquet"), point("toy")).open(str(path), opening())
    assert isinstance(sink, Toy)
    assert path.read_text() == "opened\n"


def test_a_package_takes_no_format_of_klinetail_s(tmp_path):
    sink = sinks(point(".csv")).open(str(tmp_path / "a.csv"), opening())
    assert isinstance(sink, FileSink)
    sink.close()


def test_a_colon_in_the_name_of_a_file_is_none_of_a_scheme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sink = sinks(point("toy")).open("candles:2025.csv", opening())
    assert sink.name == "candles:2025.csv"
    sink.close()


def test_what_nothing_takes_is_refused_with_what_there_is():
    assert refused("redis://user:secret@host/a.csv") == (
        "--out redis://: no sink is installed for it (there is none); for a file the"
        " suffix tells the format, .jsonl or .csv"
    )
    assert "(there is nats or toy)" in refused(
        "redis://host", point("toy"), point("nats"), point(".parquet")
    )
    assert refused("a.txt") == (
        "a.txt: name it .jsonl or .csv, the suffix tells the format"
    )
    assert "name it .jsonl, .csv or .parquet," in refused(
        "a", point(".parquet"), point("toy")
    )


def test_a_package_that_cannot_be_loaded_is_named():
    assert refused("toy:x", point("toy", "tests.sinks.none:Toy")) == (
        "--out toy:: the sink of tests.sinks.none:Toy cannot be loaded:"
        " ModuleNotFoundError(\"No module named 'tests.sinks.none'\")"
    )


def test_two_packages_for_one_scheme_are_refused_and_one_twice_on_the_path_is_not(
    tmp_path,
):
    said = refused("toy:x", point("toy"), point("toy", "tests.sinks.toy:Other"))
    assert said == (
        "--out toy:: tests.sinks.toy:Other and tests.sinks.toy:Toy both take it;"
        " uninstall one"
    )
    twice = sinks(point("toy"), point("toy"))
    assert twice.open(f"toy:{tmp_path / 'a'}", opening()).name == "toy"


class Direct(Toy):
    written_on = WrittenOn.DELIVERY


class Nameless(Toy):
    def __init__(self, target, opening):
        self.written = 0


class Half(Toy.__base__):
    def prepare(self, record):
        return record


def broken(target, opening):
    raise ZeroDivisionError


def refusing(target, opening):
    raise UsageError("toy:: a password belongs into the environment")


@pytest.mark.parametrize(
    ("opener", "words"),
    [
        ("Direct", "only stdout is written on the thread that delivers"),
        ("Nameless", "Nameless has no name"),
        ("Half", "Can't instantiate abstract class Half"),
        ("Outputs", "takes 1 positional argument"),
        ("importlib", "'module' object is not callable"),
        ("broken", "ZeroDivisionError()"),
    ],
)
def test_what_is_no_sink_is_said_to_be_a_bug(tmp_path, opener, words):
    with pytest.raises(OutputError) as caught:
        sinks(point("toy", f"{__name__}:{opener}")).open(
            f"toy:{tmp_path / 'a'}", opening()
        )
    assert str(caught.value).startswith("--out toy:: a bug")
    assert words in str(caught.value)


def test_what_the_sink_refuses_is_said_as_it_is():
    said = refused("toy:x", point("toy", f"{__name__}:refusing"))
    assert said == "toy:: a password belongs into the environment"


def test_a_sink_that_cannot_be_opened_is_said_without_its_password(tmp_path):
    with pytest.raises(OutputError) as caught:
        sinks(point("toy")).open(f"toy:{tmp_path}/none/a:secret", opening())
    assert str(caught.value) == "--out toy:: No such file or directory"
