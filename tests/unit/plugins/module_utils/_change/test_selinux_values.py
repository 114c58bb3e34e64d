# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule for a path means that path and no other, under the name that the policy has for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ansible_collections.netlink.remediation.plugins.module_utils._change import ChangeError
from ansible_collections.netlink.remediation.plugins.module_utils._change import _selinux_store as store
from ansible_collections.netlink.remediation.plugins.module_utils._change import _selinux_values as values

PATHS = some.text(some.characters(min_codepoint=33, max_codepoint=126), min_size=1).map(lambda text: "/opt/" + text)


@pytest.fixture(name="contexts", scope="module")
def fixture_contexts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the file contexts of a policy, which has equivalences."""
    place = tmp_path_factory.mktemp("etc")
    contexts = place / "default/contexts/files"
    contexts.mkdir(parents=True)
    (place / "config").write_text("SELINUXTYPE=default\n")
    (contexts / "file_contexts.subs_dist").write_text(
        "# /a /b\n/sbin /usr/sbin\n/usr/lib64 /usr/lib\n\n/lib64 /usr/lib64\n"
    )
    (contexts / "file_contexts.subs").write_text("/round /circle\n/circle /round\n/srv/tools /opt/tools\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(values, "CONFIGURATION", str(place))
        patch.setattr(store, "CONFIGURATION", str(place))
        yield contexts


@given(PATHS, PATHS)
def test_a_pattern_matches_its_own_path_alone(contexts: Path, path: str, other: str):
    assert re.fullmatch(values.pattern_of(path), path)
    assert path == other or not re.fullmatch(values.pattern_of(path), other)


def test_equivalent_paths_have_the_name_that_the_policy_gives_them(contexts: Path):
    assert values.pattern_of("/usr/local/sbin/x.y") == r"/usr/local/sbin/x\.y"
    assert values.pattern_of("/sbin/ip") == "/usr/sbin/ip"
    assert values.pattern_of("/lib64/a") == "/usr/lib/a"
    assert values.pattern_of("/srv/tools/a") == "/opt/tools/a"
    assert values.pattern_of("/sbinx") == "/sbinx"
    assert values.pattern_of("/round/a") in ("/round/a", "/circle/a")


@pytest.mark.parametrize("path", ["/opt/a b", "/opt/a\nb", "/opt/a\tb", "/opt/\udce4"])
def test_a_path_that_file_contexts_cannot_hold_gets_one_sentence(contexts: Path, path: str):
    with pytest.raises(ChangeError, match="has a character that file contexts cannot hold"):
        values.pattern_of(path)


def test_a_boolean_that_was_half_set_can_be_taken_back():
    off, on = ({"running": value, "stored": value} for value in (False, True))
    change = values.SelinuxBooleanChange("x", off, on)
    assert change.interrupted({"running": True, "stored": False})
    assert change.render(on) == "x is on, stored as on\n"
    same = values.SelinuxBooleanChange("x", {"running": False, "stored": True}, on)
    assert not same.interrupted({"running": True, "stored": False})
