# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of units. What is expected here is what systemd 257 made of the same files; tests/lab asks it again."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.netlink.remediation.plugins.module_utils._observe._unit_files import (
    SYSTEM_PATH,
    drop_in_names,
    find_files,
    parse_unit,
    read_directives,
    unit_name,
    user_path,
)

ETC, USR = "/etc/systemd/system", "/usr/lib/systemd/system"


@pytest.fixture
def host(tmp_path):
    """Makes files below a root directory, and says where that is: {path: text, "-> target", None to mask}."""

    def make(files):
        for path, content in files.items():
            place = tmp_path / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                place.symlink_to("/dev/null")
            elif content.startswith("-> "):
                place.symlink_to(content[3:])
            else:
                place.write_text(content)
        return str(tmp_path)

    return make


def assigned(text):
    return [(line.section, line.name, line.value, line.line) for line in parse_unit(text, "/x")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[Service]\nUser=nobody\n", [("Service", "User", "nobody", 2)]),
        ("  [Service]  \n\tUser\t=\tnobody \t\n", [("Service", "User", "nobody", 2)]),
        ("[Service]\r\nUser=nobody\r\n", [("Service", "User", "nobody", 2)]),
        ("[Service]\nUser=a\n[Unit]\nA=\n[Service]\nUser=b", [("Service", "User", "a", 2), ("Unit", "A", "", 4),
                                                              ("Service", "User", "b", 6)]),
        ("[Service]\n# User=a\n;User=b\nUser=c # d", [("Service", "User", "c # d", 4)]),
        ("User=a\n[Service]\nUser=b", [("Service", "User", "b", 3)]),
        ("[Service]\nUser\n=x\nUser=b", [("Service", "User", "b", 4)]),
        ("\ufeff[Service]\nUser=b", [("Service", "User", "b", 2)]),
        ("# x\n\ufeff[Service]\nUser=b", [("Service", "User", "b", 3)]),
        ("[Service]\n\ufeffUser=b\n\ufeffGroup=c", [("Service", "User", "b", 2), ("Service", "\ufeffGroup", "c", 3)]),
        ("[Service]\nA=x=y", [("Service", "A", "x=y", 2)]),
        ("[Service]\nA=\"x y\" %i 'z'", [("Service", "A", "\"x y\" %i 'z'", 2)]),
        ("[Service]\nA=1\0B=2", [("Service", "A", "1", 2), ("Service", "B", "2", 3)]),
    ],
)  # fmt: skip
def test_assignments_are_read_with_section_and_line(text, wanted):
    assert assigned(text) == wanted


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A=a \\\nb", [("A", "a  b")]),
        ("A=a \\\n# comment \\\n;x\nb \\\n  # y\n c\nB=1", [("A", "a  b   c"), ("B", "1")]),
        ("A=a \\\n\nB=1", [("A", "a"), ("B", "1")]),
        ("A=a\\\\\nB=1", [("A", "a\\\\"), ("B", "1")]),
        ("A=a\\ \nB=1", [("A", "a\\"), ("B", "1")]),
        ("A=a \\", [("A", "a")]),
        ("A=a \\\n[Unit]\nB=1", [("A", "a  [Unit]"), ("B", "1")]),
        ("A\\\n=a", [("A", "a")]),
        ("# \\\nA=1", [("A", "1")]),
    ],
)
def test_continued_lines_are_joined_and_comments_between_them_skipped(text, values):
    assert [(name, value) for _section, name, value, _line in assigned("[Service]\n" + text)] == values


def test_a_continued_line_stands_where_it_begins():
    assert [line for *_rest, line in assigned("[S]\nA=1 \\\n2 \\\n3\nB=1")] == [2, 5]


@pytest.mark.parametrize("bad", ["[Service\n", "[Service] # x\n", "[Service]\\\n", "User=\udcff\n"])
def test_what_systemd_stops_at_ends_the_reading(bad):
    assert assigned(f"[Service]\nUser=a\n{bad}User=b\n") == [("Service", "User", "a", 2)]


@given(st.text())
def test_no_text_is_an_error(text):
    for line in parse_unit(text, "/x"):
        assert line.section is not None
        assert line.name
        assert 1 <= line.line <= len(text) + 1
        assert "\n" not in line.value


@given(
    st.lists(st.sampled_from(["[Service]", "[Unit]", "A=1", "B=", "\\", "# c", " ", "\\\n", "\n", "\r", "=", "\ufeff"]))
)
def test_no_mixture_of_what_the_syntax_knows_is_an_error(pieces):
    text = "".join(pieces)
    lines = [line.line for line in parse_unit(text, "/x")]
    assert lines == sorted(lines)


@given(st.text(st.characters(codec="ascii", exclude_characters="\\\r\n\0"), min_size=1))
def test_a_value_is_found_again(value):
    assert assigned("[Service]\nA=" + value) == [("Service", "A", value.strip(" \t"), 2)]


@pytest.mark.parametrize("piece", ["a \\\n", "[", "=", "\\", "# \\\n", "\ufeff"])
def test_a_long_file_takes_no_time(piece):
    begun = time.process_time()
    list(parse_unit("[Service]\nA=" + piece * 200_000, "/x"))
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("given_name", "name"),
    [("frr", "frr.service"), ("a.b", "a.b.service"), ("x@y.service", "x@y.service"), ("x@y@z", "x@y@z.service"),
     ("dev-sda.swap", "dev-sda.swap"), ("a\\x2db", "a\\x2db.service"), ("-.slice", "-.slice")],
)  # fmt: skip
def test_a_name_without_a_type_means_a_service(given_name, name):
    assert unit_name(given_name) == name


@pytest.mark.parametrize("bad", ["", "two words", "a/b", "a*", "@x.service", "a\n", "é", "a;b", "$(a)", "x" * 300])
def test_what_can_name_no_unit_is_said_in_one_sentence(bad):
    with pytest.raises(ValueError, match=r"is no name of a unit, expected one such as foo\.service$"):
        unit_name(bad)


def test_a_template_is_asked_for_its_instance():
    with pytest.raises(
        ValueError, match=r"^'vpn@' is a template, expected an instance of it such as vpn@NAME.service$"
    ):
        unit_name("vpn@")


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("a.service", []),
        ("a-b-c.service", ["a-b-.service", "a-.service"]),
        ("x--y-.service", ["x--.service", "x-.service"]),
        ("-lead.service", []),
        ("t@x.service", ["t@.service"]),
        (
            "fo-ba-bz@i-j.service",
            ["fo-ba-bz@.service", "fo-ba-.service", "fo-.service", "fo-ba-@i-j.service", "fo-ba-@.service",
             "fo-@i-j.service", "fo-@.service"],
        ),
    ],
)  # fmt: skip
def test_drop_ins_come_from_the_most_specific_name_first(name, others):
    assert drop_in_names(name) == [name, *others]


def test_the_first_directory_with_a_fragment_counts(host):
    root = host({f"{ETC}/a.service": "[Service]\n", f"{USR}/a.service": "[Service]\n", f"{USR}/b.service": "[Unit]\n"})
    assert find_files("a.service", SYSTEM_PATH, root, []).fragment == f"{ETC}/a.service"
    assert find_files("b.service", SYSTEM_PATH, root, []).fragment == f"{USR}/b.service"
    assert find_files("c.service", SYSTEM_PATH, root, []).fragment is None


def test_a_file_name_counts_once_and_the_order_is_that_of_the_names(host):
    files = {
        f"{USR}/a-b.service": "[Service]\n",
        f"{USR}/a-b.service.d/20.conf": "",
        f"{ETC}/a-.service.d/20.conf": "",
        f"{USR}/a-b.service.d/10.conf": "",
        "/run/systemd/system/service.d/30.conf": "",
        "/run/systemd/system/service.d/10.conf": "",
        f"{ETC}/a-b.service.d/no": "",
        f"{ETC}/a-b.service.d/.hidden.conf": "",
    }
    found = find_files("a-b.service", SYSTEM_PATH, host(files), [])
    assert found.drop_ins == [
        f"{USR}/a-b.service.d/10.conf",
        f"{ETC}/a-.service.d/20.conf",
        "/run/systemd/system/service.d/30.conf",
    ]


def test_an_instance_has_the_file_of_its_template_unless_it_has_its_own(host):
    files = {
        f"{ETC}/t@.service": "[Service]\n",
        f"{USR}/t@own.service": "[Service]\n",
        f"{USR}/t@.service.d/1.conf": "",
    }
    root = host(files)
    found = find_files("t@x.service", SYSTEM_PATH, root, [])
    assert (found.fragment, found.drop_ins) == (f"{ETC}/t@.service", [f"{USR}/t@.service.d/1.conf"])
    assert find_files("t@own.service", SYSTEM_PATH, root, []).fragment == f"{USR}/t@own.service"


def test_an_alias_leads_to_its_unit_which_takes_the_drop_ins_of_both(host):
    files = {
        f"{USR}/real.service": "[Service]\n",
        f"{ETC}/other.service": f"-> {USR}/real.service",
        f"{ETC}/third.service": "-> other.service",
        f"{ETC}/other.service.d/1.conf": "",
        f"{ETC}/real.service.d/2.conf": "",
        f"{ETC}/tmpl@.service": "[Service]\n",
        f"{ETC}/al@.service": "-> tmpl@.service",
        f"{ETC}/al@.service.d/3.conf": "",
    }
    root = host(files)
    for name in ("real.service", "other.service", "third.service"):
        found = find_files(name, SYSTEM_PATH, root, [])
        assert (found.name, found.fragment) == ("real.service", f"{USR}/real.service")
        assert found.drop_ins == [f"{ETC}/other.service.d/1.conf", f"{ETC}/real.service.d/2.conf"]
    found = find_files("al@x.service", SYSTEM_PATH, root, [])
    assert (found.name, found.drop_ins) == ("tmpl@x.service", [f"{ETC}/al@.service.d/3.conf"])


def test_links_that_lead_in_a_circle_or_nowhere_are_no_fragment(host):
    root = host(
        {f"{ETC}/a.service": "-> b.service", f"{ETC}/b.service": "-> a.service", f"{ETC}/c.service": "-> d.service"}
    )
    assert find_files("a.service", SYSTEM_PATH, root, []).fragment is None
    assert find_files("c.service", SYSTEM_PATH, root, []).fragment is None


def test_a_link_to_another_place_is_the_fragment_itself(host):
    root = host({"/opt/x.service": "[Service]\nUser=nobody\n", f"{ETC}/x.service": "-> /opt/x.service"})
    found = find_files("x.service", SYSTEM_PATH, root, [])
    assert (found.fragment, found.masked) == (f"{ETC}/x.service", False)
    assert [line.value for line in read_directives([found.fragment], ["User"], root, [])] == ["nobody"]


@pytest.mark.parametrize("content", [None, "", "-> ../../../dev/null"])
def test_a_masked_unit_has_no_drop_ins(host, content):
    root = host({f"{ETC}/m.service": content, f"{USR}/m.service": "[Service]\n", f"{ETC}/m.service.d/1.conf": ""})
    found = find_files("m.service", SYSTEM_PATH, root, [])
    assert (found.fragment, found.masked, found.drop_ins) == (f"{ETC}/m.service", True, [])


def test_what_cannot_be_read_is_unseen_and_the_rest_is_read(host, tmp_path):
    root = host({f"{ETC}/a.service": "[Service]\nUser=a\nX=1\n", f"{ETC}/b.conf": "[Service]\nUser=b\n"})
    (tmp_path / "directory.conf").mkdir()
    unseen = []
    files = [f"{ETC}/a.service", "/directory.conf", "/missing.conf", f"{ETC}/b.conf"]
    found = read_directives(files, ["User"], root, unseen)
    assert [(line.value, line.file, line.line) for line in found] == [
        ("a", f"{ETC}/a.service", 2),
        ("b", f"{ETC}/b.conf", 2),
    ]
    assert [item.source for item in unseen] == ["/directory.conf"]


def test_the_manager_of_a_user_looks_at_home_before_it_looks_in_the_system():
    path = user_path("/home/joe", "/run/user/1000")
    assert path.index("/home/joe/.config/systemd/user") < path.index("/etc/systemd/user")
    assert (
        path.index("/etc/systemd/user")
        < path.index("/run/user/1000/systemd/user")
        < path.index("/usr/lib/systemd/user")
    )
