"""What other stack files declare open, and what is not known of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem import other_stacks
from cloud_siem.errors import StackError
from cloud_siem.loading import load_stack_text
from cloud_siem.model import Region, View
from cloud_siem.other_stacks import (
    SENT_ACCOUNTS,
    Claim,
    OtherStacks,
    accounts_in,
    may_concern,
    read_other_stacks,
)
from cloud_siem.stackfile import MAX_BYTES
from tests.conftest import ACCOUNT, MEMBER, OTHER_ACCOUNT

HERE = (ACCOUNT, Region.CN_HANGZHOU)


def text(deliveries: str = "{sas: {a: open}}", account: str = ACCOUNT, more: str = "") -> str:
    return (
        f'config:\n  cloud-siem:account: "{account}"\n  cloud-siem:region: cn-hangzhou\n{more}'
        f"  cloud-siem:deliveries: {deliveries}\n"
    )


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The stack file of the run; what it declares counts for nothing here."""
    (tmp_path / "stacks").mkdir()
    return put(tmp_path / "stacks" / "Pulumi.own.yaml", text("{sas: {own: open}}"))


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def beside(own: Path, name: str, content: str | bytes) -> Path:
    return put(own.parent / f"Pulumi.{name}.yaml", content)


def read(own: Path, *owners: str) -> OtherStacks:
    return read_other_stacks(own, {}, owners or (ACCOUNT,))


def names(claims: tuple[Claim, ...]) -> list[str]:
    return [f"{one.stack}: {one.key.name}" for one in claims]


def claimed(others: OtherStacks, product: str, log: str | None) -> list[str]:
    return names(others.claims_on(*HERE, product, log))


# --- claims ---------------------------------------------------------------------------------------


def test_what_others_declare_open_is_claimed_and_nothing_else(own: Path) -> None:
    """Closed entries, other accounts and the run's own file claim nothing."""
    beside(own, "b", text("{sas: {a: open, b: closed}, waf: {a: {state: open, protect: true}}}"))
    beside(own, "c", text(account=OTHER_ACCOUNT))
    found = read(own)

    assert (names(found.claims), found.unknown) == (["b: sas/a", "b: waf/a"], ())
    assert claimed(found, "sas", "a") == ["b: sas/a"]
    assert claimed(found, "sas", "b") == []
    assert found.claims_on(ACCOUNT, Region.AP_SOUTHEAST_1, "sas", "a") == ()
    assert found.claims_on(OTHER_ACCOUNT, Region.CN_HANGZHOU, "sas", "a") == ()


def test_a_claim_names_stack_file_and_line(own: Path) -> None:
    file = beside(own, "b", text("\n    sas:\n      a: open"))
    (claim,) = read(own).claims

    assert (claim.stack, claim.file, claim.line) == ("b", str(file), 6)
    assert str(claim) == f"sas/a is declared open by stack b, at {file}:6"


def test_a_whole_product_claims_each_of_its_logs_and_is_claimed_by_each(own: Path) -> None:
    beside(own, "b", text('{sas: {"*": open}, waf: {a: open, b: open}}'))
    found = read(own)

    assert claimed(found, "sas", "whatever") == ["b: sas"]
    assert claimed(found, "sas", None) == ["b: sas"]
    assert claimed(found, "waf", None) == ["b: waf/a", "b: waf/b"]
    assert claimed(found, "oss", None) == []


def test_what_counts_is_the_log_that_is_switched_whatever_the_view(own: Path) -> None:
    """A member's log is the same through its administrator and with its own credentials."""
    beside(own, "b", text(more="  cloud-siem:view: enterprise\n"))
    beside(own, "c", text("{sas: {m: open}}", more=f'  cloud-siem:member: "{MEMBER}"\n'))
    beside(own, "d", text("{sas: {m: open}}", account=MEMBER))
    found = read(own, ACCOUNT, MEMBER)

    (enterprise,) = found.claims_on(*HERE, "sas", "a")
    assert enterprise.key.perspective.view is View.ENTERPRISE
    members = found.claims_on(MEMBER, Region.CN_HANGZHOU, "sas", "m")
    assert names(members) == ["c: sas/m", "d: sas/m"]
    assert found.claims_on(*HERE, "sas", "m") == ()


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_to_the_runs_own_file_is_another_stack(own: Path, link: object) -> None:
    """Destroying one of the two would close what the other one declares."""
    assert callable(link)
    link(own, own.parent / "Pulumi.copy.yaml")

    assert names(read(own).claims) == ["copy: sas/own"]


def test_files_that_are_not_the_engines_claim_nothing(own: Path) -> None:
    for name in ("Pulumi.b.yml", "Pulumi.b.yaml.bak", "Pulumi.$(id).yaml", "b.yaml", "schema.json"):
        put(own.parent / name, text())

    assert read(own) == OtherStacks()


# --- what is not known ----------------------------------------------------------------------------

ESCAPED = "".join(f"\\x{ord(one):02x}" for one in ACCOUNT)


@pytest.mark.parametrize(
    "content",
    [
        text("{sas: {a: opne}}"),
        text("{secure: AAABADQXFlU0mxC}"),
        text("{sas: {a: {secure: AAABADQ}}}"),
        text().replace(f'"{ACCOUNT}"', "{secure: AAABADQX}"),
        "environment: [prod]\n" + text(account=OTHER_ACCOUNT),
        text().replace("  cloud-siem:region: cn-hangzhou\n", ""),
        text().replace("cloud-siem:account", "account"),
        text(account=ESCAPED).replace("cn-hangzhou", "nowhere"),
        text().encode("utf-16"),
        text() + "---\n" + text(),
        text() + "# \x00",
        text() + "#" * MAX_BYTES,
        text(account="x").replace('"x"', "!!binary MTEzMDkxNjc0NDg4MDAwMA=="),
        text().replace(":account:", ":account: &x"),
        text().replace("open", "*x"),
    ],
)
def test_a_file_that_cannot_be_understood_is_not_known(content: str | bytes, own: Path) -> None:
    """Whether only Pulumi can read it, or nobody."""
    file = beside(own, "b", content)
    found = read(own)

    assert found.claims == ()
    (unknown,) = found.unknown
    assert unknown.startswith(str(file))


def test_a_file_of_a_stack_whose_name_we_refuse_is_not_known(own: Path) -> None:
    """The engine takes the name, and an older version may have opened what the file declares."""
    beside(own, "-all", text())
    (reason,) = read(own).unknown

    assert "Pulumi.-all.yaml" in reason


def test_what_is_not_known_of_a_file_is_one_sentence(own: Path) -> None:
    """With the first error, its line, and how many more there are."""
    logs = "\n".join(f"      log_{number}: opne" for number in range(500))
    file = beside(own, "b", text(f"\n    sas:\n{logs}"))
    (unknown,) = read(own).unknown

    assert unknown.startswith(f"{file}:6:")
    assert "log_0" in unknown
    assert unknown.endswith("and 499 more errors")


def test_files_that_certainly_are_about_other_accounts_do_not_matter(own: Path) -> None:
    """However faulty they are."""
    beside(own, "b", text("{sas: {a: opne}}", account=OTHER_ACCOUNT))

    assert read(own) == OtherStacks()
    assert len(read(own, OTHER_ACCOUNT).unknown) == 1


@pytest.mark.parametrize(
    "content",
    ["", "encryptionsalt: v1:abc\n", "config: {}\n", "config:\n  aws:region: x\n", "config: {a: ["],
)
def test_a_file_without_deliveries_declares_nothing(content: str, own: Path) -> None:
    """`pulumi stack init` leaves such a file; it must not hold up every close of the project."""
    beside(own, "b", content)

    assert read(own) == OtherStacks()


@pytest.mark.parametrize(
    "more",
    [
        "  cloud-siem:roleExternalId:\n    secure: AAABADQXFlU0mxC\n",
        "  cloud-siem:deadline: soon\n",
        "  cloud-siem:tags: {a: []}\n",
        "  cloud-siem:driftIgnore: [{delivery: x}]\n",
    ],
)
def test_errors_of_keys_that_decide_nothing_hide_no_claim(more: str, own: Path) -> None:
    """A secret among the settings is nobody's fault."""
    beside(own, "b", text(more=more))
    found = read(own)

    assert (names(found.claims), found.unknown) == (["b: sas/a"], ())


def test_what_cannot_be_read_is_not_known(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe must not hold the run up, and a link may lead nowhere."""
    folder = own.parent
    (folder / "Pulumi.folder.yaml").mkdir()
    os.mkfifo(folder / "Pulumi.pipe.yaml")
    (folder / "Pulumi.link.yaml").symlink_to("gone")
    beside(own, "secret", text())
    opened = Path.open

    def refuse(path: Path, *arguments: object) -> object:
        if "secret" in path.name:
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    assert [one.removeprefix(f"{folder}/") for one in read(own).unknown] == [
        "Pulumi.folder.yaml: it is not a regular file",
        "Pulumi.link.yaml: it cannot be read: No such file or directory",
        "Pulumi.pipe.yaml: it is not a regular file",
        "Pulumi.secret.yaml: it cannot be read: Permission denied",
    ]


def test_without_its_own_file_or_folder_nobody_knows_where_the_others_are(own: Path) -> None:
    beside(own, "b", text())
    own.unlink()
    found = read(own)
    assert names(found.claims) == ["b: sas/a"]
    assert [one.partition(": ")[0] for one in found.unknown] == [str(own)]

    nowhere = read(own.parent / "gone" / own.name)
    assert len(nowhere.unknown) == 2
    assert "the folder of the stack files cannot be read: No such file" in nowhere.unknown[1]


@pytest.mark.parametrize(
    ("project", "known"),
    [
        ("{name: x, config: {cloud-siem:deliveries: {value: {sas: {a: open}}}}}", False),
        ("{name: x, config: {cloud-siem:member: {value: '1'}}}", False),
        ("{name: cloud-siem, config: {deliveries: {type: object, default: {}}}}", False),
        ("{name: x, config: {deliveries: {type: object, default: {}}}}", True),
        ("{name: cloud-siem, config: {cloud-siem:closeLimit: {value: 1}}}", True),
    ],
)
def test_what_the_project_file_declares_for_all_stacks_is_not_known(
    project: str, known: bool, own: Path
) -> None:
    """Pulumi takes it for each stack whose own file lacks the key."""
    put(own.parent.parent / "Pulumi.yaml", project)

    assert (read(own).unknown == ()) is known


def test_a_worker_elsewhere_knows_the_accounts_alone_of_which_it_was_sent_files(own: Path) -> None:
    environ = {SENT_ACCOUNTS: f"{ACCOUNT},{MEMBER}"}

    assert read_other_stacks(own, environ, [ACCOUNT, MEMBER]).unknown == ()
    (unknown,) = read_other_stacks(own, environ, [ACCOUNT, OTHER_ACCOUNT]).unknown
    assert OTHER_ACCOUNT in unknown
    assert read_other_stacks(own, {SENT_ACCOUNTS: ""}, [ACCOUNT]).unknown != ()


# --- which files are about which accounts ---------------------------------------------------------


def test_files_of_other_accounts_are_read_once_and_not_parsed(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(200):
        beside(own, f"s{number}", text(account=f"{2 * 10**15 + number}"))
    beside(own, "mine", text())
    opened: list[str] = []
    parsed: list[str] = []
    real_open, real_load = Path.open, load_stack_text

    def count_open(path: Path, *arguments: object) -> object:
        opened.append(path.name)
        return real_open(path, *arguments)  # type: ignore[call-overload]

    def count_load(data: bytes, file: str, environ: object) -> object:
        parsed.append(Path(file).name)
        return real_load(data, file, {})

    monkeypatch.setattr(Path, "open", count_open)
    monkeypatch.setattr(other_stacks, "load_stack_text", count_load)
    found = read(own)

    assert names(found.claims) == ["mine: sas/a"]
    assert (len(opened), len(set(opened)), parsed) == (201, 201, ["Pulumi.mine.yaml"])


@pytest.mark.parametrize(
    "content",
    [
        text(account=OTHER_ACCOUNT).replace("cloud-siem:deliveries", '"cloud-siem:deliverie\\x73"'),
        text(account=OTHER_ACCOUNT, more=f'  "cloud-siem:membe\\x72": "{ESCAPED}"\n'),
        text(account=OTHER_ACCOUNT).replace("cloud-siem:deliveries", "!!binary Y2xvdWQ="),
        text(account=OTHER_ACCOUNT, more="  cloud-siem:member: {secure: AAAB}\n"),
        text(account=OTHER_ACCOUNT, more="  cloud-siem:member: *id\n"),
        text(account="x").replace('"x"', f"0{int(OTHER_ACCOUNT):o}"),
        text(account=OTHER_ACCOUNT, more="  member: >-\n    x\n"),
        text(account=OTHER_ACCOUNT).encode("utf-16-le"),
        text(account=OTHER_ACCOUNT, more="  x:note: caf\xe9\n").encode("latin-1"),
        "{environment: [prod], config: {}}",
        "#" * MAX_BYTES + "\n",
    ],
)
def test_words_and_ids_can_be_spelled_so_that_only_parsing_tells(content: str | bytes) -> None:
    data = content if isinstance(content, bytes) else content.encode()

    assert accounts_in(data) is None


def test_a_secret_among_the_settings_does_not_hide_whose_file_it_is() -> None:
    more = "  cloud-siem:roleExternalId:\n    secure: AAABADQXFlU0mxC\n"

    assert not may_concern(text(account=OTHER_ACCOUNT, more=more).encode(), {ACCOUNT})


QUOTED: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "double": '"{}"'.format,
    "single": "'{}'".format,
    "escaped": lambda digits: '"' + "".join(f"\\u{ord(one):04x}" for one in digits) + '"',
    "half escaped": lambda digits: f'"{digits[:8]}\\x{ord(digits[8]):02x}{digits[9:]}"',
    "joined": lambda digits: f'"{digits[:8]}\\\n    {digits[8:]}"',
    "folded": lambda digits: f">-\n    {digits}",
    "number": lambda digits: f"{int(digits):_}",
    "hex": lambda digits: hex(int(digits)),
    "octal": lambda digits: f"0{int(digits):o}",
    "tagged": lambda digits: f"!!str {digits}",
    "anchored": lambda digits: f"&a {digits}",
    "commented": lambda digits: f'"{digits}" # {OTHER_ACCOUNT}',
}
SPELLINGS = st.sampled_from(sorted(QUOTED))
ACCOUNTS = st.sampled_from([ACCOUNT, OTHER_ACCOUNT, MEMBER])
KEYS = st.sampled_from(["{}: ", '"{}": ', "'{}' : ", "? {}\n  : "])
DOCUMENTS = st.sampled_from(["{}", "\ufeff{}", "{}# account: 1\n", "# cloud-siem:account: 1\n{}"])


@given(
    accounts=st.tuples(ACCOUNTS, st.none() | ACCOUNTS),
    spellings=st.tuples(SPELLINGS, SPELLINGS),
    keys=st.tuples(KEYS, KEYS),
    document=DOCUMENTS,
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_file_about_an_account_is_never_taken_for_one_about_others(
    accounts: tuple[str, str | None],
    spellings: tuple[str, str],
    keys: tuple[str, str],
    document: str,
    ends: str,
) -> None:
    """Whatever the spelling; and the files that people write are told apart without parsing."""
    lines = [
        f"  {key.format(f'cloud-siem:{name}')}{QUOTED[spelling](account)}"
        for name, account, spelling, key in zip(
            ("account", "member"), accounts, spellings, keys, strict=True
        )
        if account
    ]
    lines = ["config:", *lines, "  cloud-siem:region: cn-hangzhou"]
    lines.append("  cloud-siem:deliveries: {sas: {a: open}}\n")
    data = document.format("\n".join(lines)).replace("\n", ends).encode()
    try:
        owner = load_stack_text(data, "Pulumi.x.yaml", {}).perspective.owner
    except StackError:
        owner = accounts[1] or accounts[0]  # what Pulumi may read all the same

    assert may_concern(data, {owner})
    plainly = {"plain", "double", "single"}
    if (
        plainly.issuperset(spellings)
        and "?" not in "".join(keys)
        and (ends, document)
        == (
            "\n",
            "{}",
        )
    ):
        assert accounts_in(data) is not None
