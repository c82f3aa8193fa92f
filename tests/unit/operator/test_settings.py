"""The operator's settings: a flag before its variable, before the default."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pytest

from mooring_api.duration import Duration
from mooring_operator.main import main
from mooring_operator.settings import Address, BadSetting, Settings, add_flags, chosen, table


def read(*flags: str, environ: Mapping[str, str] | None = None) -> Settings:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return chosen(parser.parse_args(flags), environ or {})


def test_without_a_word_the_defaults_hold() -> None:
    assert read() == Settings()


def test_a_flag_goes_before_its_variable() -> None:
    environ = {"MOORING_RESYNC": "1m", "MOORING_NAMESPACE": "elsewhere", "MOORING_KUBECONFIG": "/etc/kc"}
    found = read("--resync", "30s", environ=environ)
    assert found.resync == Duration.of(s=30)
    assert found.namespace == "elsewhere"
    assert found.kubeconfig == Path("/etc/kc")


@pytest.mark.parametrize(
    ("flags", "environ", "named"),
    [
        (["--resync", "5"], {}, "--resync"),
        (["--resync", "1s"], {}, "--resync"),
        ([], {"MOORING_METRICS_ADDRESS": "9651"}, "MOORING_METRICS_ADDRESS"),
        ([], {"MOORING_LOG_FORMAT": "xml"}, "MOORING_LOG_FORMAT"),
        (["--identity", "a b"], {}, "--identity"),
        (["--renew-deadline", "20s"], {}, "--lease-duration"),
        (["--retry-period", "10s"], {}, "--retry-period"),
    ],
)
def test_what_cannot_be_used_is_named(flags: list[str], environ: Mapping[str, str], named: str) -> None:
    with pytest.raises(BadSetting, match=named):
        read(*flags, environ=environ)


@pytest.mark.parametrize("text", ["0.0.0.0:9651", "[::]:9651", "127.0.0.1:0"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(Address.parse(text)) == text


def test_each_setting_is_in_the_table_once() -> None:
    flags = [row[0] for row in table()]
    assert len(set(flags)) == len(flags) == len(Settings.__dataclass_fields__)
    assert all(row[3] for row in table())


def test_a_wrong_flag_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--resync", "soon"]) == 2
    assert "--resync" in capsys.readouterr().err


def test_help_names_flags_variables_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    shown = capsys.readouterr().out
    for row in table():
        assert row[0] in shown
        assert row[1] in shown
    assert "7 the lease is lost" in " ".join(shown.split())
