"""The fleet's demo: fifty embedded accounts, one command. Called by `make fleet-demo`.

1. Fifty accounts that an administrator may enter by a role, one of whose roles trusts somebody
   else, and a stack file for each; all in `.demo/fleet`, made anew each time.
2. `fleet up` opens what is declared; the account without its role fails, and hides no other.
3. `fleet up` again runs the engine on none.
4. Three logs are closed by hand: the drift review names them, and `fleet up` mends just these.

What each step should come to is held against its result file: the demo fails where it does not.
"""

import json
import os
import shutil
import subprocess

import demo
import engine
import setup
from places import CHECKOUT, VENV, ToolError, locked, run_tool, say
from service import HOST, Service

ACCOUNTS = 50
BY_HAND = (3, 20, 41)  # of these accounts a log is closed by hand
BROKEN = 13  # this account's role does not trust the administrator
ADMINISTRATOR = "1130916744880000"
FOLDER = demo.FOLDER / "fleet"
PROJECT = FOLDER / "project"
ROLE = "siem-delivery"
DELIVERIES = {
    "actiontrail": ["cloud_siem_trail_actiontrail"],
    "sas": ["cloud_siem_aegis_proc", "cloud_siem_aegis_login_event"],
}
LOGS = sum(len(logs) for logs in DELIVERIES.values())
FAILED, DRIFT = 1, 7  # the exit codes of cloud-siem
NEXT = f"""
Everything is in {FOLDER}; `make fleet-demo` makes it anew. The account {BROKEN} failed all the
while, and hid nobody. To do the same to accounts of your own: docs/fleet.md.
"""


def main(arguments: list[str]) -> int:
    if arguments:
        message = "fleet_demo.py takes no arguments."
        raise ToolError(message)
    setup.ensure()
    engine.ensure()
    demo.FOLDER.mkdir(exist_ok=True)
    with locked(demo.FOLDER, "Another demo is at work on this checkout; waiting for it."):
        running = service()
        running.stop()
        shutil.rmtree(FOLDER, ignore_errors=True)
        make_world()
        make_project()
        try:
            show(environment(running.start()))
        finally:
            running.stop()
    print(NEXT)
    return 0


# --- what there is --------------------------------------------------------------------------------


def account(number: int) -> str:
    return f"{2_000_000_000_000_000 + number}"


def stack(number: int) -> str:
    return f"account-{number:02}"


def make_world() -> None:
    """The administrator and its members."""
    members = [account(number) for number in range(1, ACCOUNTS + 1)]
    accounts: dict[str, dict[str, object]] = {
        one: {"name": f"member-{one[-2:]}"} for one in members
    }
    stranger = {"name": ROLE, "trusts": [account(1)]}
    key = {
        "id": demo.FIXED["ALIBABA_CLOUD_ACCESS_KEY_ID"],
        "secret": demo.FIXED["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        "user": "demo-admin",
    }
    accounts[account(BROKEN)] |= {"roles": [stranger]}
    world = {
        "name": "fleet",
        "accounts": {ADMINISTRATOR: {"name": "admin", "keys": [key]}, **accounts},
        "members": {ADMINISTRATOR: members},
    }
    FOLDER.mkdir(parents=True)
    (FOLDER / "world.json").write_text(json.dumps(world, indent=2))


def make_project() -> None:
    """The checkout's program, with a stack file for each account."""
    (PROJECT / "stacks").mkdir(parents=True)
    (FOLDER / "backend").mkdir()
    (PROJECT / ".venv").symlink_to(VENV)
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(CHECKOUT / name, PROJECT)
    for number in range(1, ACCOUNTS + 1):
        file = PROJECT / "stacks" / f"Pulumi.{stack(number)}.yaml"
        file.write_text(stack_text(number))


def stack_text(number: int) -> str:
    lines = [
        "config:",
        f'  cloud-siem:account: "{account(number)}"',
        "  cloud-siem:region: cn-hangzhou",
        f'  cloud-siem:roleArn: "acs:ram::{{account}}:role/{ROLE}"',
        f"  cloud-siem:tags: {{wave: {'first' if number <= 10 else 'second'}}}",  # noqa: PLR2004
        "  cloud-siem:deliveries:",
    ]
    for product, logs in DELIVERIES.items():
        lines += [f"    {product}:", *(f"      {log}: open" for log in logs)]
    return "\n".join(lines) + "\n"


# --- what is done ---------------------------------------------------------------------------------


def show(environ: dict[str, str]) -> None:
    step(f"The first run: {ACCOUNTS} stacks, a preview and an update each; some minutes.")
    found = fleet(environ, "up", "--yes", "--close-limit", "0")
    good = ACCOUNTS - 1
    expect(found, changed=good, failed=1, opened=good * LOGS)

    step("The second run: nothing is left to do.")
    expect(fleet(environ, "up", "--yes"), skipped=good, failed=1)

    step("By hand: three logs are closed in the console.")
    for number in BY_HAND:
        switch = ["emulator", "switch", "sas/cloud_siem_aegis_proc", "closed"]
        run(environ, [*switch, "--account", account(number)], codes=(0,))
    names = [stack(number) for number in BY_HAND]
    run(environ, ["fleet", "drift", *names, "account-4?"], codes=(DRIFT,))

    step("The third run: the engine runs on these three alone.")
    found = fleet(environ, "up", "--yes")
    expect(found, changed=len(BY_HAND), skipped=good - len(BY_HAND), failed=1, opened=len(BY_HAND))
    run(environ, ["fleet", "drift", *names], codes=(0,))


def step(text: str) -> None:
    print(flush=True)
    say(text)


def fleet(environ: dict[str, str], *arguments: str) -> dict[str, int]:
    """Run it; how many stacks and deliveries its result file counts."""
    result = FOLDER / "result.json"
    command = ["fleet", *arguments, "--logs", str(FOLDER / "logs"), "--report", f"json={result}"]
    run(environ, command, codes=(FAILED,))
    found = json.loads(result.read_text())
    counts: dict[str, int] = found["counts"]
    return counts


def expect(counts: dict[str, int], **wanted: int) -> None:
    """Whatever is not named should not have happened."""
    names = ("failed", "refused", "notStarted", "changed", "unchanged", "skipped")
    for name in (*names, "opened", "closed"):
        if counts[name] != wanted.get(name, 0):
            message = f"{counts[name]} {name}, and it should have been {wanted.get(name, 0)}."
            raise ToolError(message)


def run(environ: dict[str, str], arguments: list[str], codes: tuple[int, ...]) -> None:
    print(f"$ cloud-siem {' '.join(arguments)}", flush=True)
    done = subprocess.run([demo.CLOUD_SIEM, *arguments], cwd=PROJECT, env=environ, check=False)
    if done.returncode not in codes:
        message = f"`cloud-siem {arguments[0]} {arguments[1]}` ended with {done.returncode}."
        raise ToolError(message)


def service() -> Service:
    start = [demo.CLOUD_SIEM, "emulator", "start", "--seed", str(FOLDER / "world.json")]
    return Service(FOLDER, start, demo.without_personal(os.environ) | demo.FIXED)


def environment(port: int) -> dict[str, str]:
    """The demo's, with a backend, a home and a cache of its own."""
    ours = {
        "CLOUD_SIEM_ENDPOINT": f"http://{HOST}:{port}",
        "PULUMI_BACKEND_URL": (FOLDER / "backend").as_uri(),
        "PULUMI_HOME": str(FOLDER / "pulumi"),
        "XDG_CACHE_HOME": str(FOLDER / "cache"),
    }
    return demo.environment(port) | ours


if __name__ == "__main__":
    run_tool(main)
