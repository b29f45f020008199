"""``concordat institution key hand-over``: a key signs over to the next, on any machine."""

import json
from pathlib import Path

from typer.testing import CliRunner

from agreements.key_succession import check_succession
from agreements.keys import SigningKey
from portal.cli.app import app


def test_a_key_signs_over_to_the_next_offline(tmp_path: Path) -> None:
    old, new = SigningKey.generate(), SigningKey.generate().public.raw.hex()
    key, out = tmp_path / "old.pem", tmp_path / "over.json"
    key.write_bytes(old.to_pem())
    for named, claimed in ((["--new", new], new), ([], None)):
        told = CliRunner().invoke(
            app,
            ["institution", "key", "hand-over", "north", "--key", str(key), "--number", "2", "-o", str(out), *named],
        )
        assert told.exit_code == 0, told.output
        by = check_succession(
            json.loads(out.read_text()),
            institution_id="north",
            public_key=claimed,
            number=2,
            own_keys=[old.public.raw.hex()],
        )
        assert by == old.public.raw.hex()
        out.unlink()
