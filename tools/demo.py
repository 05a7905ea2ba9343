"""The demo: the real engine on an embedded account. Called by make for the verbs below.

    demo.py up                     from a fresh checkout to a reconciled account
    demo.py pulumi ARGUMENTS       any Pulumi command on the same stack and account
    demo.py cloud-siem ARGUMENTS   any of our commands on the same account
    demo.py env                    what to source for working without make
    demo.py down                   stop what `up` started; the state stays

Everything it writes is under `.demo` in the checkout; what the person has set up for real work
(a Pulumi home, a backend, a passphrase, cloud credentials, proxies) is neither read nor written.
"""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import engine
import setup
from places import CHECKOUT, VENV, ToolError, locked, run_tool, say
from service import HOST, Service, is_running

STACK = "demo"
STACK_FILE = f"stacks/Pulumi.{STACK}.yaml"
FOLDER = CHECKOUT / ".demo"
BACKEND = FOLDER / "backend"
CLOUD_SIEM = str(VENV / "bin" / "cloud-siem")
# Settings of the person for the real cloud and the real backend: none of them reaches the demo.
PERSONAL = ("ALIBABA_CLOUD_", "ALIBABACLOUD_", "PULUMI_")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# Constants of the demo, secret to nobody: the emulator knows the key, the stack file ships the salt
# that belongs to the passphrase.
FIXED = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid-demo-admin",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret-demo-admin",
    "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
    "PULUMI_CONFIG_PASSPHRASE": "demo",
}
NEXT = """
Try next:
  eval "$(make -s env)"                                        this shell works on the demo now
  cloud-siem emulator switch sas/cloud_siem_aegis_proc closed  as somebody does in the console
  cloud-siem drift demo                                        names it, and exits with 7
  pulumi up --refresh --yes --stack demo                       sets it back

`make down` stops what this started; the state stays.
"""


def main(arguments: list[str]) -> int:
    verb, *rest = arguments or [""]
    verbs = {"up": up, "down": down, "env": print_environment}
    if verb in verbs and not rest:
        verbs[verb]()
    elif verb in ("pulumi", "cloud-siem"):
        become(verb, rest)
    else:
        message = "say `up`, `down`, `env`, `pulumi ARGUMENTS` or `cloud-siem ARGUMENTS`."
        raise ToolError(message)
    return 0


def up() -> None:
    """From a fresh checkout to a reconciled account; a second time it changes nothing.

    1. The set-up and the engine: each does nothing where it is done.
    2. The emulator, on the port of last time where that is free.
    3. The stack file is validated before the engine reads it: our messages are the better ones.
    4. The stack is made or selected; a lock that an interrupted update left is taken away.
    5. `pulumi up`; then the account as it is now.
    """
    setup.ensure()
    engine.ensure()
    BACKEND.mkdir(parents=True, exist_ok=True)
    with locked(FOLDER, "Another `make up` is at work on this checkout; waiting for it."):
        port = service().start()
        say(f"The embedded Cloud SIEM listens on http://{HOST}:{port}.")
        run([CLOUD_SIEM, "validate", STACK_FILE], port)
        run(["pulumi", "stack", "select", "--create", STACK, "--non-interactive"], port)
        if has_stale_lock():
            forget_interrupted_update(port)
        run(["pulumi", "up", "--yes", "--stack", STACK], port)
        run([CLOUD_SIEM, "list", STACK], port)
    print(NEXT)


def down() -> None:
    was_running = service().stop()
    say("The embedded Cloud SIEM is stopped." if was_running else "Nothing was running.")


def print_environment() -> None:
    """Shell lines that make this environment the caller's own."""
    wanted = environment(running_port())
    for name in sorted(os.environ.keys() - wanted.keys()):
        print(f"unset {name}")
    for name in sorted(wanted):
        if wanted[name] != os.environ.get(name):
            print(f"export {name}={shlex.quote(wanted[name])}")


def become(program: str, arguments: list[str]) -> None:
    """Turn into the program: signals, terminal and exit code are then its own."""
    setup.ensure()
    wanted = environment(running_port())
    os.chdir(CHECKOUT)
    path = Path(CLOUD_SIEM) if program == "cloud-siem" else engine.ready() / program
    os.execve(path, [program, *arguments], wanted)


def service() -> Service:
    start = [CLOUD_SIEM, "emulator", "start"]
    return Service(FOLDER, start, without_personal(os.environ) | FIXED)


def running_port() -> int:
    port = service().port()
    if port is None:
        message = "The embedded Cloud SIEM is not running: run `make up` first."
        raise ToolError(message)
    return port


def environment(port: int) -> dict[str, str]:
    """Everything that the demo's programs see: the person's environment, with ours in its place."""
    ours = {
        "CLOUD_SIEM_ENDPOINT": f"http://{HOST}:{port}",
        "PULUMI_BACKEND_URL": BACKEND.as_uri(),
        "PULUMI_HOME": str(FOLDER / "pulumi"),
    }
    return engine.environment(without_personal(os.environ), engine.ready()) | FIXED | ours


def without_personal(base: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in base.items()
        if not name.startswith(PERSONAL) and name.upper() not in PROXIES
    }


def has_stale_lock() -> bool:
    """Whether an update was interrupted: its lock names a process that runs no more."""
    locks = [json.loads(file.read_text()) for file in BACKEND.glob(".pulumi/locks/**/*.json")]
    return any(not is_running(lock["pid"], "pulumi") for lock in locks)


def forget_interrupted_update(port: int) -> None:
    """Take its lock away, and what it was creating: the update to come finds that as it is."""
    say("An update was interrupted before it could end; clearing up after it.")
    run(["pulumi", "cancel", "--yes", STACK], port)
    run(["pulumi", "refresh", "--yes", "--clear-pending-creates", "--stack", STACK], port)


def run(command: list[str], port: int) -> None:
    """Run a step in the checkout, its output the person's to see; a failing step ends `up`."""
    wanted = environment(port)
    process = subprocess.Popen(command, cwd=CHECKOUT, env=wanted)
    # Ctrl-C reaches the step too, which ends in its own order: Pulumi takes its lock away first.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        code = process.wait()
    finally:
        if process.poll() is None:  # we are told to end
            process.terminate()
            process.wait()
        signal.signal(signal.SIGINT, before)
    if code:
        name = " ".join([Path(command[0]).name, *command[1:]])
        how = f"with exit code {code}" if code > 0 else f"by signal {-code}"
        message = f"`{name}` ended {how}; `make up` can be run again."
        raise ToolError(message)


if __name__ == "__main__":
    run_tool(main)
