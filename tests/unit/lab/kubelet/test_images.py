"""The table of images."""

import pytest
from tests.unit.lab.kubelet.pods import INSTALLATION

from mooring_lab.kubelet.images import HIDDEN, Images, without_tag


@pytest.mark.parametrize(
    "name",
    ["registry:5000/a/b", "registry:5000/a/b:v1", "registry:5000/a/b:v1@sha256:ab", "registry:5000/a/b@sha256:ab"],
)
def test_a_tag_or_digest_is_no_part_of_the_name(name: str) -> None:
    assert without_tag(name) == "registry:5000/a/b"


def test_an_unknown_image_is_the_host_with_our_programs_first() -> None:
    image = Images(INSTALLATION).resolve("what:ever")
    assert image.root == "/"
    assert image.environment["PATH"].split(":")[0] == INSTALLATION.programs
    assert (image.hidden, image.shared) == (HIDDEN, INSTALLATION.folders)
    assert image.entrypoint == ()


def test_a_table_names_roots_and_entrypoints() -> None:
    table = {
        "a/daemon": {"entrypoint": ["mooring-node"], "command": ["run"], "environment": {"X": "1"}},
        "b:2": {"root": "/srv/b", "workingDir": "/w", "user": 7, "group": 8},
    }
    images = Images.of_json(INSTALLATION, table)
    daemon = images.resolve("a/daemon:v3")
    assert (daemon.root, daemon.entrypoint, daemon.command) == ("/", ("mooring-node",), ("run",))
    assert daemon.environment["X"] == "1"
    other = images.resolve("b:2")
    assert (other.root, other.working_dir, other.uid, other.gid) == ("/srv/b", "/w", 7, 8)
    assert (other.hidden, other.shared) == ((), ())
    assert images.resolve("b:3").root == "/"


@pytest.mark.parametrize("entry", [[], {"roots": "/"}, {"root": "relative"}, {"root": 3}])
def test_a_wrong_table_is_refused_by_name(entry: object) -> None:
    with pytest.raises(ValueError, match="image x/y"):
        Images.of_json(INSTALLATION, {"x/y": entry})
