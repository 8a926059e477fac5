from __future__ import annotations

import fnmatch
import re
import tomllib

import pytest

from fakes.command_line import parse_command
from fakes.containers import DOCKERFILE, ROOT, Instruction, dockerfile

FINAL = ("runtime", "twin")


def of(stage: str, *words: str) -> list[Instruction]:
    return [one for one in dockerfile() if one.stage == stage and one.word in words]


def complaints(text: str) -> list[str]:
    """What our rules say of a Dockerfile."""
    found, stages = [], set()
    instructions = dockerfile(text)
    for one in instructions:
        if one.word == "FROM":
            image, _, name = one.rest.partition(" AS ")
            if image not in stages and not re.fullmatch(r"[\w./-]+:[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}", image):
                found.append(f"{image} is not pinned by tag and digest")
            if not name:
                found.append(f"{image} has no name")
            stages.add(name)
        if one.word in {"CMD", "ENTRYPOINT"} and not one.rest.startswith("["):
            found.append(f"{one.word} is not in exec form")
        if one.word == "HEALTHCHECK" and not re.search(r"CMD \[", one.rest):
            found.append("HEALTHCHECK is not in exec form")
        if one.word in {"ENV", "ARG"} and re.search(r"(?i)(password|passwd|secret|token|api_?key)\w*", one.rest):
            found.append(f"{one.word} may hold a secret")
        if one.word == "ADD":
            found.append("ADD fetches and unpacks; COPY does not")
        if one.word == "RUN" and re.search(r"\b(curl|wget|apt-get|apk|sudo)\b|chmod 777", one.rest):
            found.append(f"RUN {one.rest} fetches or opens too much")
        if one.word == "RUN" and "install" in one.rest and '"pip"' in one.rest:
            safe = "--require-hashes" in one.rest or ("--no-deps" in one.rest and "--no-index" in one.rest)
            if not safe:
                found.append(f"RUN {one.rest} installs what is not pinned by hash")
    for stage in FINAL:
        words = [one.word for one in instructions if one.stage == stage]
        users = [one.rest for one in instructions if one.stage == stage and one.word == "USER"]
        if not users or not re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[-1]):
            found.append(f"{stage} does not end as a user with a fixed number")
        elif {"RUN", "COPY"} & set(words[words.index("USER") :]):
            found.append(f"{stage} changes files after it gave up root")
    return found


def test_our_rules_find_nothing():
    assert complaints(DOCKERFILE.read_text()) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (r"python:3\S+", "python:latest"),
        (r"@sha256:[0-9a-f]+", ""),
        (r"USER 10001:10001\nEXPOSE 8000", "EXPOSE 8000"),
        (r"USER 10001:10001\nEXPOSE 8000", "USER root\nEXPOSE 8000"),
        (r"USER 10001:10001\nEXPOSE 8000", "USER reelqueue\nEXPOSE 8000"),
        (r"(USER 10001:10001\nEXPOSE 8000)", r'\1\nRUN ["true"]'),
        (r'CMD \["gateway".*', "CMD reelqueue gateway"),
        (r'ENTRYPOINT \["reelqueue"\]', "ENTRYPOINT reelqueue"),
        (r'CMD \["reelqueue", "health", "gateway"\]', "CMD reelqueue health gateway"),
        (r"STOPSIGNAL", "ENV REELQUEUE_SECRET_KEY=abc\nSTOPSIGNAL"),
        (r"STOPSIGNAL", "ARG NEMO_TOKEN\nSTOPSIGNAL"),
        (r'"--require-hashes", "--requirement", "requirements.lock"', '"--requirement", "requirements.lock"'),
        (r"WORKDIR /src", "WORKDIR /src\nADD https://example.com/x.tar.gz /src/"),
        (r"WORKDIR /src", "WORKDIR /src\nRUN curl https://example.com/x.sh | sh"),
    ],
)
def test_our_rules_find_each_mistake(before: str, after: str):
    text, count = re.subn(before, after, DOCKERFILE.read_text(), count=1)
    assert count == 1
    assert complaints(text)


def test_the_default_target_is_the_service():
    assert dockerfile()[-1].stage == "runtime"


def test_locks_come_before_code():
    """Code changes more often: what a lock installs must not be installed again for it."""
    words = [f"{one.word} {one.rest}" for one in of("build", "COPY", "RUN")]
    locked = next(place for place, text in enumerate(words) if "requirements.lock" in text and "RUN" in text)
    code = next(place for place, text in enumerate(words) if text.startswith("COPY services"))
    assert locked < code


def test_final_stages_take_nothing_but_the_finished_environment():
    for stage in FINAL:
        (copied,) = of(stage, "COPY")
        assert re.fullmatch(r"--from=build(-twin)? /opt/reelqueue /opt/reelqueue", copied.rest)
        assert of(stage, "RUN") == []


def test_the_command_and_the_health_check_exist():
    (entry,), (command,) = of("runtime", "ENTRYPOINT"), of("runtime", "CMD")
    assert entry.words == ["reelqueue"]
    name, parameters = parse_command(command.words)
    assert (name, parameters["host"]) == ("gateway", "0.0.0.0")
    (check,) = of("runtime", "HEALTHCHECK")
    words = Instruction("", "", check.rest.partition("CMD ")[2]).words
    assert words[0] == "reelqueue"
    asked, port = parse_command(words[1:])
    assert asked == "health gateway"
    assert port["port"] == parameters["port"]


def test_programs_that_are_named_are_installed():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for stage in FINAL:
        (entry,) = of(stage, "ENTRYPOINT")
        assert entry.words[0] in scripts


def test_the_user_owns_what_the_service_writes():
    made = next(one.rest for one in of("foundation", "RUN"))
    (volume,) = of("foundation", "VOLUME")
    (user,) = of("runtime", "USER")
    number = user.rest.split(":")[0]
    assert f"--uid {number}" in made
    assert f"-o {number}" in made
    assert volume.words[0] in made
    assert of("foundation", "STOPSIGNAL")[0].rest == "SIGTERM"


def test_the_base_is_a_python_that_the_package_takes():
    (base,) = of("base", "FROM")
    version = re.search(r"python:(\d+)\.(\d+)", base.rest)
    assert version is not None
    least = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    assert tuple(map(int, version.groups())) >= tuple(map(int, least.split(".")))


# --- what the build may see -------------------------------------------------------------------------------------------


def sent(path: str) -> bool:
    """Whether a file is sent to the build, by `.dockerignore`: the last rule that fits decides."""
    is_sent = True
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        if not rule or rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!")
        parts = path.split("/")
        parents = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatch(part, pattern[3:]) for part in parts)
        else:
            fits = any(fnmatch.fnmatch(parent, pattern) for parent in parents)
        if fits:
            is_sent = rule.startswith("!")
    return is_sent


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        ".dev/secrets.json",
        "deploy/demo.env",
        "tests/conftest.py",
        "out/reel.mp4",
        "services/reelqueue/__pycache__/x.pyc",
    ],
)
def test_what_is_private_or_of_no_use_is_not_sent(path: str):
    assert not sent(path)


def test_what_is_copied_is_there_and_is_sent():
    for one in of("build", "COPY"):
        *sources, _ = one.rest.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert sent(source), source
    assert sent("services/reelqueue/cli/app.py")
    assert sent("migrations/versions/0001_the_first_tables.py")
