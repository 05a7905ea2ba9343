from __future__ import annotations

import json
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pytest
import yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from cloud_siem import stackfile
from cloud_siem.loading import load_files
from cloud_siem.scalars import plain
from cloud_siem.settings import PREFIX
from cloud_siem.stackfile import MAX_BYTES, StackFile, read_stack_file, read_stack_text
from cloud_siem.wording import Unusable

FAULTS = sorted((Path(__file__).parent / "stacks").glob("*.yaml"))
HEAD = 'config:\n  cloud-siem:account: "1130916744880000"\n  cloud-siem:region: cn-hangzhou\n'

PARSERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]
both_parsers = pytest.mark.parametrize("parser", PARSERS, ids=lambda one: one.__name__)


def read(text: str | bytes) -> StackFile:
    return read_stack_text(text.encode() if isinstance(text, str) else text, "x.yaml")


def messages(text: str | bytes) -> list[str]:
    found = read(text)
    return [str(reason) for reason in (*found.reasons, *found.engine_only)]


# --- values and places ----------------------------------------------------------------------------


@both_parsers
def test_values_come_with_their_places(parser: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scalar's place is its own, a mapping's is its key's; lines and columns count from 1."""
    monkeypatch.setattr(stackfile, "_PARSER", parser)
    found = read(
        HEAD + "  cloud-siem:deliveries:\n"
        "    sas:\n"
        "      cloud_siem_aegis_proc: open\n"
        '    waf: {"*": {state: closed, protect: true}}\n'
        "    oss:\n"
    )

    assert found.reasons == ()
    assert found.values == {
        "cloud-siem:account": "1130916744880000",
        "cloud-siem:region": "cn-hangzhou",
        "cloud-siem:deliveries": {
            "sas": {"cloud_siem_aegis_proc": "open"},
            "waf": {"*": {"state": "closed", "protect": True}},
            "oss": None,
        },
    }
    deliveries = ("cloud-siem:deliveries",)
    places = {keys: str(place).removeprefix("x.yaml:") for keys, place in found.places.items()}
    assert places == {
        (): "1:1",
        ("cloud-siem:account",): "2:23",
        ("cloud-siem:region",): "3:22",
        deliveries: "4:3",
        (*deliveries, "sas"): "5:5",
        (*deliveries, "sas", "cloud_siem_aegis_proc"): "6:30",
        (*deliveries, "waf"): "7:5",
        (*deliveries, "waf", "*"): "7:11",
        (*deliveries, "waf", "*", "state"): "7:24",
        (*deliveries, "waf", "*", "protect"): "7:41",
        (*deliveries, "oss"): "8:5",
    }
    assert str(found.places.key((*deliveries, "sas", "cloud_siem_aegis_proc"))) == "x.yaml:6:7"


def test_only_our_keys_are_read() -> None:
    """The rest is the engine's and other programs': lists, secrets, anchors and all."""
    found = read(
        "encryptionsalt: v1:x\nx: &x [1, {a: b}]\n"
        + HEAD
        + "  aws:region: &r eu-west-1\n  other:list: [*r, *x]\n  other:secret: {secure: abc}\n"
        "  other:on: on\n  bare: yes\n"
    )

    assert found.reasons == ()
    assert found.engine_only == ()
    assert set(found.values) == {"cloud-siem:account", "cloud-siem:region"}
    assert list(found.bare) == ["bare"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("open", "open"),
        ("cn-hangzhou", "cn-hangzhou"),
        ("127.0.0.1:18080", "127.0.0.1:18080"),
        ("https://h:1/", "https://h:1/"),
        ("acs:ram::{account}:role/x", "acs:ram::{account}:role/x"),
        ("'on'", "on"),
        ('"0130"', "0130"),
        ('"a\\tb"', "a\tb"),
        ("true", True),
        ("false", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("0", 0),
        ("-5", -5),
        ("1130916744880000", 1130916744880000),
        ("9007199254740992", 2**53),
        ("2.5", 2.5),
        ("60.0", 60),
        ("y", "y"),
        ("e1", "e1"),
    ],
)
def test_what_both_readers_read_alike_is_taken(text: str, value: object) -> None:
    """The engine test below proves that they do."""
    found = read(f"config:\n  cloud-siem:x: {text}\n")

    assert found.reasons == ()
    assert found.values["cloud-siem:x"] == value
    assert type(found.values["cloud-siem:x"]) is type(value)


DIFFERENT = (
    *("on", "On", "ON", "off", "yes", "Yes", "no", "NO"),  # switches of YAML 1.1
    *("True", "TRUE", "False", "Null", "NULL"),
    *("1:30", "190:20:30.15"),  # numbers to base 60
    *("1e3", "1.5e3", "1E+3", "+5", "-0.0", "1_000", "685.230_15e+03", "1.", ".5", "+.5"),
    *("0x1f", "0X1F", "0b11", "0o17", "017", "0130916744880000", "08", "09.5"),
    *(".inf", "-.Inf", ".NaN"),
    *("2025-10-09", "2025-1-9", "2001-12-14t21:59:43.10-05:00"),
    *("9007199254740993", "12345678901234567890123", "0.1234567890123456789"),  # not exact
    *("=", "<<"),
)


@pytest.mark.parametrize("text", DIFFERENT)
def test_what_the_readers_may_take_differently_has_to_be_quoted(text: str) -> None:
    """The reason says so, and quoted it is text."""
    assert "quote it" in messages(f"config:\n  cloud-siem:x: {text}\n")[0]
    assert read(f"config:\n  cloud-siem:x: '{text}'\n").values["cloud-siem:x"] == text


@given(st.text(alphabet="0123456789.-+_eExXobB:nftrua~<=yYN T", max_size=8))
def test_a_plain_scalar_that_pyyaml_resolves_is_never_taken_for_text(text: str) -> None:
    """Our own reader's half of the rule; the engine's half is below."""
    try:
        value = plain(text)
    except Unusable:
        return

    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    assert isinstance(value, str) == (tag == "tag:yaml.org,2002:str")


# --- texts as a whole -----------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["", "\ufeff"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@both_parsers
def test_a_byte_order_mark_and_windows_line_ends_change_nothing(
    before: str, end: str, parser: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine takes both, too (below); places stay what an editor shows."""
    monkeypatch.setattr(stackfile, "_PARSER", parser)
    text = HEAD + "  cloud-siem:deliveries:\n    sas: {x: on}\n"
    found = read(before + text.replace("\n", end))

    assert found.values == read(text).values
    assert [str(reason.place) for reason in found.reasons] == ["x.yaml:5:14"]


def test_a_file_that_is_too_large_is_not_parsed() -> None:
    """It says the limit; one byte less is parsed."""
    fits = (HEAD + "#" * MAX_BYTES)[:MAX_BYTES]

    assert messages(fits) == []
    assert "larger than 1024 KiB" in messages(fits + "#")[0]


def test_a_file_that_is_not_utf_8_says_where() -> None:
    """Line and column of the first byte that cannot be."""
    found = messages(HEAD.encode() + b"  # caf\xe9\n")

    assert found == ["x.yaml:4:8: the file is not UTF-8 (save the file as UTF-8)"]


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\x85", "\u2028", "\ufeff", "\ufffe"])
def test_characters_that_readers_quarrel_about_are_refused(char: str) -> None:
    """Some end a line for one reader and not for another."""
    found = messages(HEAD + f"  cloud-siem:x: 'a{char}b'\n")

    assert found == [
        f"x.yaml:4:19: the character U+{ord(char):04X} has no place in YAML (remove it)"
    ]


def test_a_missing_file_a_folder_and_a_locked_file_are_told(tmp_path: Path) -> None:
    """In words, not with errno."""
    missing = read_stack_file(tmp_path / "no.yaml").reasons
    folder = read_stack_file(tmp_path).reasons

    assert str(missing[0]) == f"{tmp_path / 'no.yaml'}: there is no such file"
    assert str(folder[0]) == f"{tmp_path}: this is a folder, not a file"


def test_a_disk_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the system says of it."""

    def fails(*_args: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", fails)
    found = read_stack_file("x.yaml").reasons

    assert str(found[0]) == "x.yaml: this file cannot be read: Input/output error"


@pytest.mark.parametrize(
    "line",
    [
        "!!str cloud-siem:x: open",
        "&a cloud-siem:x: open",
        "cloud-siem:x: {!!str a: open}",
        "cloud-siem:x: {&a a: open}",
        "cloud-siem:x: !!str open",
        "cloud-siem:x: &a open",
        "cloud-siem:x: !!map {a: open}",
        "cloud-siem:x: &a {a: open}",
        "cloud-siem:x: [&a open]",
        "cloud-siem:x: ! open",
    ],
)
def test_values_and_keys_stand_for_themselves(line: str) -> None:
    """No tags and no anchors, wherever they are; the rest of the file is read on."""
    found = messages(HEAD + f"  {line}\n  cloud-siem:y: on\n")

    assert len(found) == 2
    assert "values stand for themselves here" in found[0]
    assert "quote it" in found[1]


@pytest.mark.parametrize("indent", ["  ", "    "], ids=["below config", "below our key"])
@pytest.mark.parametrize("key", ["? [a, b]", "? {a: b}", "*a ", "<<"])
def test_keys_that_hide_what_they_are_have_a_reason(key: str, indent: str) -> None:
    """The engine refuses some, and takes others for keys that nobody sees."""
    ours = "  cloud-siem:x:\n" if indent == "    " else ""
    value = f"\n{indent}: {{b: c}}" if key.startswith("?") else ": {b: c}"

    assert len(messages(f"x: &a y\n{HEAD}{ours}{indent}{key}{value}\n")) == 1


def test_a_key_that_the_engine_cannot_parse_is_a_fault() -> None:
    """Also another program's: the engine stops there, and reads nothing."""
    assert "no config key" in messages(HEAD + "  a:b:c: d\n")[0]
    assert messages(HEAD + "  a:config:c: d\n") == []


def test_faults_before_the_end_of_the_yaml_are_told_with_it() -> None:
    """All at once, as far as the text can be read."""
    found = messages(HEAD + "  cloud-siem:x: on\n  cloud-siem:region: b\n  cloud-siem:z: 'a\n")

    assert len(found) == 3
    assert "is here twice, first in line 3" in found[0]
    assert "a quote is not closed" in found[1]
    assert "quote it" in found[2]


# --- what must not hurt ---------------------------------------------------------------------------


def _bomb() -> str:
    """Nine levels of nine: 400 million nodes in 500 bytes."""
    lines = ["a: &a [" + "x, " * 8 + "x]"]
    for level in range(1, 9):
        here, below = "abcdefghi"[level], "abcdefghi"[level - 1]
        lines.append(f"{here}: &{here} [" + f"*{below}, " * 8 + f"*{below}]")
    return "\n".join(lines) + "\n"


@both_parsers
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alias bomb", _bomb() + HEAD),
        ("alias bomb of ours", _bomb() + HEAD + "  cloud-siem:deliveries: *i\n"),
        ("nesting in flow", HEAD + "  cloud-siem:x: " + "[" * 500_000),
        ("nesting in blocks", "- " * 500_000),
        ("nesting elsewhere", "x: " + "{a: " * 200_000),
        ("one long line", "config: " + "x" * 200_000),
        ("one long number", HEAD + "  cloud-siem:x: " + "9" * 200_000),
    ],
    ids=lambda one: one if isinstance(one, str) and len(one) < 30 else "",
)
def test_hostile_files_are_refused_in_little_memory(
    name: str, text: str, parser: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is expanded, nothing recurses, no endless text becomes a number."""
    monkeypatch.setattr(stackfile, "_PARSER", parser)
    tracemalloc.start()
    found = messages(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found
    assert all(len(message) < 300 for message in found)
    assert peak < 64 * MAX_BYTES


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=400))
@example(b"config:\n  ? [a]\n  : b")
@example(b"config: {cloud-siem:x: {? {a: b} : c}}")
@example(b"config: {cloud-siem:x: !!set {a, b}}")
@example(b"%TAG ! tag:x,2000:\n---\nconfig: !x {}")
@example(b"config: &a {cloud-siem:x: *a}")
def test_bytes_of_any_kind_give_a_reading_and_never_a_traceback(data: bytes) -> None:
    """And each reason is one line that begins with the file's name."""
    found = read(data)

    assert all(str(reason).startswith("x.yaml") for reason in found.reasons)
    assert all("\n" not in str(reason) for reason in found.reasons)
    assert found.reasons or found.values == {} or found.whole


TOKENS = st.sampled_from(
    [
        *("config:", "cloud-siem:account:", "cloud-siem:deliveries:", "sas:", "x:", "<<:", "? "),
        *(" ", "  ", "    ", "\n", "\n  ", "\n    ", "\n- ", "\r\n", "\t", ": ", ", ", "#"),
        *("{", "}", "[", "]", "'", '"', "|", ">", "&a ", "*a", "!!str ", "!t ", "---\n", "...\n"),
        *("on", "true", "1", "2025-10-09", "open", "~", "secure:", "\u00e9", "\ufeff", "\x00"),
    ]
)


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TOKENS, max_size=40).map("".join))
def test_yaml_of_any_kind_gives_a_reading_and_never_a_traceback(text: str) -> None:
    """Pieces of YAML reach further into the reader than bytes do."""
    for tried in (text, HEAD + "  " + text, HEAD + "  cloud-siem:deliveries:\n    " + text):
        found = read(tried)
        assert all("\n" not in str(reason) for reason in found.reasons)


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without LibYAML")
@settings(max_examples=100, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.lists(TOKENS, max_size=8).map("".join))
def test_both_parsers_give_the_same_reading(text: str) -> None:
    """LibYAML is for speed alone: values, places and reasons are those of the parser in Python."""
    tried = HEAD + "  cloud-siem:deliveries:\n    sas: {x: open}\n  " + text
    readings = []
    for parser in PARSERS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stackfile, "_PARSER", parser)
            readings.append(read(tried))
    slow, fast = readings
    assume(slow.whole and fast.whole)  # of broken YAML the two complain in their own words

    assert fast.values == slow.values
    assert dict(fast.places) == dict(slow.places)
    assert fast.reasons == slow.reasons


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML was built without LibYAML")
@pytest.mark.parametrize("path", FAULTS, ids=lambda one: one.name)
def test_both_parsers_find_the_same_faults_at_the_same_places(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every file of tests/stacks, broken YAML included."""
    places = []
    for parser in PARSERS:
        monkeypatch.setattr(stackfile, "_PARSER", parser)
        found = read_stack_file(path)
        places.append([reason.place for reason in (*found.reasons, *found.engine_only)])

    assert places[0] == places[1]


# --- the engine -----------------------------------------------------------------------------------


class Engine(Protocol):
    def __call__(self, text: str, project: str = ...) -> Mapping[str, str]:
        """What `pulumi config --json` makes of a stack file: what a program is handed, by key."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The real engine's own reading; skipped only where there is no engine."""
    pulumi = shutil.which("pulumi")
    if not pulumi:
        pytest.skip("there is no pulumi on PATH")
    folder = tmp_path_factory.mktemp("engine")
    (folder / "Pulumi.yaml").write_text("name: cloud-siem\nruntime: python\n", encoding="utf-8")
    (folder / "state").mkdir()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": (folder / "state").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "x",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }

    def run(*args: str) -> str:
        done = subprocess.run(
            [pulumi, *args], cwd=folder, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    begun: set[str] = set()
    ours = (folder / "Pulumi.yaml").read_text(encoding="utf-8")

    def config(text: str, project: str = ours) -> dict[str, str]:
        (folder / "Pulumi.yaml").write_text(project, encoding="utf-8")
        if (name := yaml.safe_load(project)["name"]) not in begun:
            run("stack", "init", "x")
            begun.add(name)
        (folder / "read.yaml").write_bytes(text.encode())
        found = json.loads(run("config", "--json", "-s", "x", "--config-file", "read.yaml"))
        return {key: one["value"] for key, one in found.items()}

    return config


def handed(value: object) -> object:
    """A value of ours as the engine hands it over on the top level."""
    if isinstance(value, dict | list):
        return ("JSON", value)
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def assert_read_alike(engine: Engine, text: str) -> None:
    ours = read(text)
    theirs = engine(text)

    assert ours.reasons == ()
    assert set(ours.values) == {key for key in theirs if key.startswith("cloud-siem:")}
    for key, value in ours.values.items():
        found = ("JSON", json.loads(theirs[key])) if isinstance(value, dict | list) else theirs[key]
        assert found == handed(value), key


def in_both_ways(scalars: list[str]) -> str:
    """A file that has each scalar once on the top level and once below."""
    top = "".join(f"  cloud-siem:k{at}: {one}\n" for at, one in enumerate(scalars))
    below = "".join(f"    k{at}: {one}\n" for at, one in enumerate(scalars))
    return f"config:\n{top}  cloud-siem:deliveries:\n    z: z\n{below}"


def is_taken(scalar: str) -> bool:
    found = read(in_both_ways([scalar]))
    return not found.reasons and not found.engine_only and len(found.values) == 2


PLAIN = st.text(alphabet="0123456789.-+_eExXobB:nftrua~<=yYN ,/#é", min_size=1, max_size=9)
QUOTED = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=9)
SCALARS = st.one_of(
    PLAIN,
    st.sampled_from([*DIFFERENT, "true", "false", "null", "open", "1130916744880000", "-0"]),
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(str),
    QUOTED.map(json.dumps),
    QUOTED.map(lambda text: "'" + text.replace("'", "''") + "'"),
    PLAIN.map(lambda text: f"{{a: [{text}, b], 'c': {text}}}"),
)


@pytest.mark.engine
@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SCALARS, min_size=60, max_size=90))
def test_scalars_that_are_taken_are_read_as_the_engine_reads_them(
    engine: Engine, scalars: list[str]
) -> None:
    """The rule that the values of a file, read without the engine, are the engine's own."""
    assert_read_alike(engine, in_both_ways([one for one in scalars if is_taken(one)]))


TREE = st.recursive(
    st.sampled_from(["open", "'on'", "true", "~", "1", '"a: b"', "a  b"]),
    lambda below: st.one_of(
        st.lists(below, max_size=3).map(lambda all_: "[" + ", ".join(all_) + "]"),
        st.dictionaries(st.sampled_from(["a", "'*'", '"yes"', "a.b"]), below, max_size=3).map(
            lambda all_: "{" + ", ".join(f"{key}: {one}" for key, one in all_.items()) + "}"
        ),
    ),
    max_leaves=8,
)
LAYOUTS = st.sampled_from(
    [
        "  cloud-siem:x: {tree}\n",
        "  'cloud-siem:x':    {tree} # comment\n",
        "\n  cloud-siem:x:\n    {tree}\n",
        "  cloud-siem:x:\n    a:\n      - {tree}\n      -   b: {tree}\n    c: {tree}\n",
        "  cloud-siem:x:\n   a: |-\n     {tree}\n   b: >\n     {tree}\n     {tree}\n",
    ]
)


@pytest.mark.engine
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(LAYOUTS, TREE, st.sampled_from(["", "\ufeff"]), st.sampled_from(["\n", "\r\n"]))
def test_layouts_are_read_as_the_engine_reads_them(
    engine: Engine, layout: str, tree: str, mark: str, end: str
) -> None:
    """Flow and block, comments and folded text, a byte order mark, Windows line ends."""
    text = mark + (HEAD + layout.replace("{tree}", tree)).replace("\n", end)

    assert_read_alike(engine, text)


@pytest.mark.engine
def test_the_engine_does_read_some_scalars_differently(engine: Engine) -> None:
    """Why they have to be quoted: these are not what PyYAML, or a person, would read."""
    texts = ("on", "1e3", "0o17", "017", "0130916744880000")
    found = engine("config:\n" + "".join(f"  a:k{at}: {one}\n" for at, one in enumerate(texts)))
    read_by = {text: found[f"a:k{at}"] for at, text in enumerate(texts)}

    assert read_by["on"] == "on"
    assert read_by["1e3"] == "1000"
    assert read_by["0o17"] == read_by["017"] == "15"
    assert read_by["0130916744880000"] != "0130916744880000"


SPELLINGS = ("cloud-siem:{}", "{}", "cloud-siem:config:{}", "infra:{}")
FILES = st.fixed_dictionaries(
    {"account": st.sampled_from(SPELLINGS[:2]), "region": st.sampled_from(SPELLINGS[:2])},
    optional={"closeLimit": st.sampled_from(SPELLINGS), "view": st.sampled_from(SPELLINGS)},
)
VALUES = {
    "account": "'1130916744880000'",
    "region": "cn-hangzhou",
    "closeLimit": 7,
    "view": "account",
}


def config_of(spelled: Mapping[str, str]) -> str:
    return "config:\n" + "".join(
        f"  {spelling.format(key)}: {VALUES[key]}\n" for key, spelling in spelled.items()
    )


@pytest.mark.engine
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(["cloud-siem", "infra"]),
    spelled=FILES,
    again=st.dictionaries(st.sampled_from(list(VALUES)), st.sampled_from(SPELLINGS), max_size=1),
    for_all=st.dictionaries(st.sampled_from(list(VALUES)), st.sampled_from(SPELLINGS), max_size=1),
)
@example(
    name="infra",
    spelled=dict.fromkeys(("account", "region"), SPELLINGS[0]),
    again={"view": "{}"},
    for_all={},
)
def test_a_file_without_faults_is_all_that_the_engine_gives_a_program(
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    spelled: dict[str, str],
    again: dict[str, str],
    for_all: dict[str, str],
) -> None:
    """However keys are spelled, there and in Pulumi.yaml: what counts is read, or refused."""
    project = f"name: {name}\nruntime: python\n" + (config_of(for_all) if for_all else "")
    repeated = {key: one for key, one in again.items() if one != spelled.get(key)}
    text = config_of(spelled) + config_of(repeated).removeprefix("config:\n")
    folder = tmp_path_factory.mktemp("project")
    (folder / "Pulumi.yaml").write_text(project)
    file = folder / "Pulumi.x.yaml"
    file.write_text(text)

    stacks, reasons = load_files([file], {})

    assert bool(stacks) is not bool(reasons)
    if stacks:
        given = {
            key: value for key, value in engine(text, project).items() if key.startswith(PREFIX)
        }
        assert given == {key: handed(value) for key, value in read(text).values.items()}
