"""The command line."""

import pytest

from nemotwin.cli import main


def test_it_explains_itself(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--port", "--cdn-port", "--speed", "--seed", "--data", "--silent-rate", "--instant", "--ready-file"):
        assert option in shown


@pytest.mark.parametrize("bad", [("--speed", "0"), ("--silent-rate", "2"), ("--film-max-side", "1"), ("--port", "x")])
def test_it_refuses_nonsense(capsys, bad):
    with pytest.raises(SystemExit) as ended:
        main(bad)
    assert ended.value.code == 2
    assert bad[0] in capsys.readouterr().err
