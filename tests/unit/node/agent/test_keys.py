"""Keys from Secrets: which state an instance gets, what stays when a Secret goes, and that no key is ever shown."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from mooring_api import nodeconfig
from mooring_api.nodeconfig import Instance
from mooring_api.problems import Problem
from mooring_node.agent.keys import MOST_SECRETS, MOST_STATES, CredentialReport, KeyBook, references_of
from mooring_node.judge.facts import NodeFacts
from mooring_node.judge.groups import compile_groups, keys_of
from mooring_node.vrrp.config import GroupConfig, MemberConfig

TYPE = "mooring.dev/credentials"
#: Stands in every Secret of these tests, and nowhere else.
CANARY = "C4n4ry!"


def secret(name: str, version: int | str, password: str | bytes | None = CANARY, **more: Any) -> dict[str, Any]:
    raw = password.encode() if isinstance(password, str) else password
    data = {} if raw is None else {"password": base64.b64encode(raw).decode()}
    metadata = {"name": name, "namespace": "mooring-system", "resourceVersion": str(version)}
    return {"metadata": metadata, "type": TYPE, "data": data} | more


def instance(name: str = "web-0", **authentication: Any) -> Instance:
    named = {"type": "Password", "secretRef": {"name": "web"}} | authentication
    return Instance.model_validate(_fields(name) | {"authentication": named})


def _fields(name: str) -> dict[str, Any]:
    router = {"web-0": 6, "web-1": 7}.get(name, 8)
    head = {"name": name, "interface": "eth0", "virtualRouterID": router, "version": 2}
    return head | {"addresses": [{"address": f"10.0.0.{router}/24"}]}


def accepting(key_version: str) -> Instance:
    """One that says what it says without a password and accepts one."""
    form = {"virtualRouterID": 6, "version": 2, "authentication": dict(PINNED, keyVersion=key_version)}
    return Instance.model_validate(_fields("web-0") | {"alsoAccept": [form]})


PINNED = {"type": "Password", "secretRef": {"name": "web"}}


def book(*instances: Instance, text: str = "") -> KeyBook:
    made = KeyBook("mooring-system", text)
    refer(made, *(instances or (instance(),)))
    return made


def refer(keys: KeyBook, *instances: Instance) -> None:
    keys.refer(references_of(keys_of(instances)))


def filled(keys: KeyBook, *given: Instance) -> tuple[tuple[GroupConfig, ...], tuple[Problem, ...]]:
    """The groups of these with their passwords, and what is wrong."""
    groups, problems = compile_groups(given, NodeFacts(), "lb-1")
    assert problems == ()
    return keys.with_passwords(groups, keys_of(given), "lb-1")


def member_of(keys: KeyBook, given: Instance) -> MemberConfig:
    (group,), problems = filled(keys, given)
    assert problems == ()
    return group.members[0]


def password_of(keys: KeyBook, given: Instance) -> str | None:
    return member_of(keys, given).password


def problem_of(keys: KeyBook, *given: Instance) -> str:
    good, problems = filled(keys, *given)
    assert good == ()
    return str(problems[0])


def test_an_instance_gets_the_newest_state_or_the_one_that_it_names() -> None:
    keys = book(instance(keyVersion="100"))
    assert keys.listed([secret("web", 100, "old"), secret("other", 7)])
    assert keys.changed(secret("web", 200, "new"))
    assert password_of(keys, instance()) == "new"
    assert password_of(keys, instance(keyVersion="100")) == "old"
    assert password_of(keys, instance(keyVersion="200")) == "new"


def current(keys: KeyBook) -> str | None:
    return keys.reports()[0].current


def test_what_names_no_state_stays_with_the_one_that_is_in_use_until_another_is_named() -> None:
    keys = book()
    keys.listed([secret("web", 100, "old")])
    for version in range(200, 300, 10):
        assert keys.changed(secret("web", version, f"p{version}"))
    assert password_of(keys, instance()) == "old"
    # What is told is what is meant: all who tell of one state hear each other.
    assert current(keys) == "100"
    assert keys.reports()[0].versions == ("100", "250", "260", "270", "280", "290")
    # The same again, also beside another that names its state, changes nothing.
    refer(keys, instance("web-1", keyVersion="290"), instance())
    assert password_of(keys, instance()) == "old"
    # Named, so that it moves; and so it stays when the name goes again.
    refer(keys, instance(keyVersion="280"))
    assert current(keys) == "290"
    refer(keys, instance())
    assert password_of(keys, instance()) == "p280"
    # In use no more, then again: as at first.
    keys.refer({})
    refer(keys, instance())
    assert password_of(keys, instance()) == "p290"


def test_a_form_without_a_state_beside_a_named_one_is_another() -> None:
    spoken = instance(keyVersion="100")
    keys = book(spoken)
    keys.listed([secret("web", 100, "old")])
    keys.changed(secret("web", 200, "new"))
    form = {"virtualRouterID": 6, "version": 2, "authentication": {"type": "Password", "secretRef": {"name": "web"}}}
    both = Instance.model_validate(spoken.to_wire() | {"alsoAccept": [form]})
    refer(keys, both)
    good = member_of(keys, both)
    assert (good.password, good.accepted[0].password) == ("old", "new")


def test_a_restart_keeps_what_is_in_use() -> None:
    keys = book()
    keys.listed([secret("web", 100, "old")])
    keys.changed(secret("web", 200, "new"))
    # Rotated while the daemon was away, and listed before any configuration is read.
    again = KeyBook("mooring-system", keys.to_json())
    again.listed([secret("web", 300, "newer")])
    refer(again, instance())
    assert password_of(again, instance()) == "old"
    assert current(again) == "100"
    # One that was named: it is what the next configuration goes on with.
    named = book(instance(keyVersion="100"), text=keys.to_json())
    again = KeyBook("mooring-system", named.to_json())
    again.listed([secret("web", 300, "newer")])
    refer(again, instance())
    assert password_of(again, instance()) == "old"


def test_a_restart_keeps_all_that_is_named_whatever_comes_before_the_configuration() -> None:
    pinned = [instance(f"web-{n}", keyVersion=str(n)) for n in range(1, 9)]
    keys = book(*pinned)
    for version in range(1, 9):
        keys.changed(secret("web", version, f"p{version}"))
    again = KeyBook("mooring-system", keys.to_json())
    for version in range(20, 30):
        again.listed([secret("web", version, "newer")])
    refer(again, *pinned)
    assert [password_of(again, each) for each in pinned] == [f"p{n}" for n in range(1, 9)]


def test_a_file_from_before_what_is_named_stood_in_it_still_has_the_keys() -> None:
    states = [{"version": "1", "password": "old"}, {"version": "2", "password": "new"}]
    keys = KeyBook("mooring-system", json.dumps({"format": 1, "secrets": {"web": {"fault": "", "states": states}}}))
    refer(keys, instance())
    assert password_of(keys, instance(keyVersion="1")) == "old"
    assert password_of(keys, instance()) == "new"


def test_a_form_that_is_also_accepted_gets_its_own() -> None:
    given = accepting("100")
    keys = book(given)
    keys.listed([secret("web", 100, "old")])
    good = member_of(keys, given)
    assert (good.password, good.accepted[0].password) == (None, "old")


def test_an_instance_without_a_secret_is_not_touched() -> None:
    plain = instance(secretRef=None, password="666")
    assert filled(book(plain), plain) == compile_groups([plain], NodeFacts(), "lb-1")
    assert password_of(book(plain), plain) == "666"


def test_a_secret_that_is_not_there_names_secret_field_and_remedy() -> None:
    text = problem_of(book(), instance())
    assert text.startswith("NodeConfig lb-1: spec.instances[].authentication.secretRef (instance web-0): ")
    assert "Secret mooring-system/web is not there" in text
    assert "kubectl -n mooring-system create secret generic web --type=mooring.dev/credentials" in text


def test_a_state_that_is_not_here_is_named_with_those_that_are() -> None:
    keys = book()
    keys.listed([secret("web", 100)])
    text = problem_of(keys, instance(keyVersion="7"))
    assert "spec.instances[].authentication.keyVersion (instance web-0): " in text
    assert "no state 7 of Secret mooring-system/web, only 100;" in text


def test_the_form_that_lacks_a_key_is_named() -> None:
    given = accepting("7")
    assert "spec.instances[].alsoAccept[0].authentication.keyVersion" in problem_of(book(given), given)


def test_the_members_of_its_sync_group_are_left_out_with_it() -> None:
    plain = instance("web-1", secretRef=None, password="666").model_copy(update={"sync_group": "web"})
    lacking = instance("web-0").model_copy(update={"sync_group": "web"})
    other = instance("mail", secretRef=None, password="777")
    good, problems = filled(book(), plain, lacking, other)
    assert [group.name for group in good] == ["mail"]
    assert [each.instance for each in problems] == ["web-0", "web-1"]
    assert "left out with web-0 of its sync group" in problems[1].message


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (secret("web", 200, type="Opaque"), "is not of type mooring.dev/credentials; delete it and create it with"),
        (secret("web", 200, None), "has no key password; add data.password"),
        (secret("web", 200, data=None), "has no key password"),
        (secret("web", 200, data={"password": 7}), "has no key password"),
        (secret("web", 200, data={"password": "?"}), "is not 1 to 8 printable ASCII"),
        (secret("web", 200, ""), "is not 1 to 8 printable ASCII"),
        (secret("web", 200, CANARY + "long"), "is not 1 to 8 printable ASCII"),
        (secret("web", 200, "Ca n"), "is not 1 to 8 printable ASCII"),
        (secret("web", 200, "Canäry"), "is not 1 to 8 printable ASCII"),
        (secret("web", 200, b"\xff\xfe"), "is not 1 to 8 printable ASCII"),
        (secret("web", 200, CANARY + "\n"), "ends with a line break; write it without, as printf does and echo"),
    ],
)
def test_a_bad_secret_is_told_and_the_last_good_key_stays(bad: dict[str, Any], said: str) -> None:
    never_good = book()
    never_good.listed([bad])
    assert said in problem_of(never_good, instance())
    keys = book()
    keys.listed([secret("web", 100, "good")])
    assert keys.changed(bad)
    assert password_of(keys, instance()) == "good"
    (remark,) = keys.remarks()
    assert said in remark
    assert remark.endswith("its good state 100 stays in use")
    assert CANARY not in remark
    # Mended: nothing is wrong any more.
    assert keys.changed(secret("web", 300, "better"))
    assert keys.remarks() == ()
    assert password_of(keys, instance(keyVersion="300")) == "better"


@pytest.mark.parametrize("how", ["deleted", "not listed"])
def test_a_deleted_secret_leaves_its_key(how: str) -> None:
    keys = book()
    keys.listed([secret("web", 100)])
    assert keys.deleted(secret("web", 150)) if how == "deleted" else keys.listed([])
    assert password_of(keys, instance()) == CANARY
    (remark,) = keys.remarks()
    assert "Secret mooring-system/web was deleted; create it" in remark
    # Deleted, then listed without it: told twice, news once.
    assert not keys.listed([])
    assert keys.listed([secret("web", 200, "again")])
    assert keys.remarks() == ()


@pytest.mark.parametrize("how", ["deleted", "listed"])
def test_a_deleted_secret_that_nobody_names_any_more_is_forgotten(how: str) -> None:
    keys = book(text=book_of_one().to_json())
    keys.deleted(secret("web", 150)) if how == "deleted" else keys.listed([])
    keys.refer({})
    refer(keys, instance())
    assert "is not there" in problem_of(keys, instance())
    # One that is there is known to whoever names it again.
    keys.listed([secret("web", 200, "again")])
    keys.refer({})
    refer(keys, instance())
    assert password_of(keys, instance()) == "again"


def book_of_one() -> KeyBook:
    keys = book()
    keys.listed([secret("web", 100)])
    return keys


def test_what_comes_late_rolls_nothing_back() -> None:
    keys = book()
    keys.listed([secret("web", 200, "new")])
    assert not keys.changed(secret("web", 100, "old"))
    assert not keys.changed(secret("web", 200, "new"))
    assert password_of(keys, instance()) == "new"
    # Late also compared with a state that was of no use.
    keys.changed(secret("web", 400, None))
    keys.changed(secret("web", 300, "late"))
    assert password_of(keys, instance()) == "new"
    assert keys.remarks()


def test_a_list_is_the_present_also_after_a_backup_was_restored() -> None:
    keys = book(instance(keyVersion="200"))
    keys.listed([secret("web", 200, "new")])
    assert keys.listed([secret("web", 100, "old")])
    assert password_of(keys, instance()) == "old"
    assert keys.reports()[0].versions == ("200", "100")


def test_the_newest_states_are_kept_and_those_that_are_named() -> None:
    pinned = instance(keyVersion="1")
    keys = book(pinned)
    for version in range(1, 10):
        keys.changed(secret("web", version, f"p{version}"))
    assert MOST_STATES == 6
    assert keys.reports()[0].versions == ("1", "5", "6", "7", "8", "9")
    assert current(keys) == "9"
    assert password_of(keys, pinned) == "p1"
    # Named no more: the next one pushes it out.
    refer(keys, instance(keyVersion="9"))
    keys.changed(secret("web", 10, "p10"))
    assert keys.reports()[0].versions == ("5", "6", "7", "8", "9", "10")


def test_all_that_is_named_stays_and_the_newest_however_many_they_are() -> None:
    pinned = [instance(f"web-{n}", keyVersion=str(n)) for n in range(1, 12)]
    keys = book(*pinned)
    for version in range(1, 21):
        keys.changed(secret("web", version, f"p{version}"))
    assert [password_of(keys, each) for each in pinned] == [f"p{n}" for n in range(1, 12)]
    assert keys.choose("web", "12") is None
    assert keys.choose("web", "20") is not None
    # The report is bounded: the newest, and the newest of those that are named.
    assert keys.reports()[0].versions == ("5", "6", "7", "8", "9", "10", "11", "20")
    assert as_the_contract_has_it(keys.reports()) == [each.to_wire() for each in keys.reports()]


def as_the_contract_has_it(reports: Sequence[CredentialReport]) -> list[dict[str, Any]]:
    read = [
        nodeconfig.CredentialReport.model_validate(each.to_wire(), by_alias=True, by_name=False) for each in reports
    ]
    return [each.to_wire() for each in read]


def test_reports_name_what_the_configuration_names() -> None:
    keys = book()
    keys.listed([secret("other", 7)])
    (report,) = keys.reports()
    assert report.to_wire() == {"name": "web", "versions": []}


def test_a_restart_has_the_keys_and_knows_what_was_wrong() -> None:
    keys = book()
    keys.listed([secret("web", 100, "old"), secret("other", 5)])
    keys.changed(secret("web", 200, "new"))
    keys.deleted(secret("web", 201))
    text = keys.to_json()
    assert "other" not in text
    again = KeyBook("mooring-system", text)
    # Secrets are listed before any configuration is read: the one that is gone still leaves its key.
    again.listed([])
    refer(again, instance())
    assert password_of(again, instance(keyVersion="100")) == "old"
    assert password_of(again, instance(keyVersion="200")) == "new"
    assert "was deleted" in again.remarks()[0]


def test_what_is_named_no_more_leaves_the_disk_and_a_secret_that_is_there_comes_back() -> None:
    keys = book()
    keys.listed([secret("web", 100)])
    keys.refer({})
    assert json.loads(keys.to_json())["secrets"] == {}
    refer(keys, instance())
    assert password_of(keys, instance()) == CANARY


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "7",
        '{"format": 9, "secrets": {}}',
        '{"format": 1}',
        '{"format": 1, "secrets": {"web": {"states": []}}}',
        '{"format": 1, "secrets": {"web": {"fault": "", "states": [{"version": "1"}]}}}',
        '{"format": 1, "secrets": {"web": {"fault": "", "states": [{"version": "1", "password": "x"}], "named": 7}}}',
    ],
)
def test_a_file_that_is_not_ours_holds_no_keys(text: str) -> None:
    assert "is not there" in problem_of(book(text=text), instance())


def test_a_namespace_full_of_secrets_does_not_fill_the_memory() -> None:
    keys = book()
    keys.listed([secret(f"s{n}", n + 1) for n in range(2 * MOST_SECRETS)] + [secret("web", 9)])
    assert password_of(keys, instance()) == CANARY
    assert keys.choose(f"s{2 * MOST_SECRETS - 1}", None) is None


@pytest.mark.parametrize("junk", [{}, {"metadata": None}, {"metadata": {"name": "web"}, "data": []}, {"metadata": {}}])
def test_junk_is_no_key(junk: dict[str, Any]) -> None:
    keys = book()
    keys.listed([secret("web", 100)])
    keys.changed(junk)
    assert password_of(keys, instance()) == CANARY


def test_no_key_is_shown() -> None:
    keys = book()
    keys.listed([secret("web", 100)])
    good, _ = filled(keys, instance())
    _, problems = filled(keys, instance(keyVersion="7"))
    keys.deleted(secret("web", 100))
    shown = [repr(keys.choose("web", None)), repr(good), repr(problems), repr(keys.reports()), repr(keys.remarks())]
    shown += [str(each.to_wire()) for each in keys.reports()] + [repr(keys)]
    assert CANARY in keys.to_json()
    assert not [text for text in shown if CANARY in text]
