# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter explain: what a template hands over gets the same answer as plain text."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible.template import trust_as_template

from ansible_collections.netlink.remediation.plugins.filter import explain as plugin

MESSAGE = "RTNETLINK answers: Operation not permitted"


def test_is_known_by_its_name():
    assert plugin.FilterModule().filters() == {"explain": plugin.explain}


def test_tagged_text_gets_the_answer_of_plain_text():
    tagged = plugin.explain(trust_as_template(MESSAGE), trust_as_template("EPERM"), trust_as_template("Some text"))
    assert tagged == plugin.explain(MESSAGE, "EPERM", "Some text")
    assert all(item.__class__ is str for item in tagged["next"])
    assert tagged["errno"].__class__ is str
    assert json.loads(json.dumps(tagged)) == tagged


def test_errno_may_be_a_number():
    assert plugin.explain("x", errno=13)["errno"] == "EACCES"


@pytest.mark.parametrize("message", ["", "  ", None, 5, {"msg": MESSAGE}, [MESSAGE]])
def test_what_is_no_message_gets_one_sentence(message):
    with pytest.raises(AnsibleFilterError, match=r"^netlink\.remediation\.explain: message"):
        plugin.explain(message)


def test_an_unknown_errno_gets_one_sentence():
    with pytest.raises(AnsibleFilterError, match=r"^netlink\.remediation\.explain: errno 'EWHAT' is unknown"):
        plugin.explain(MESSAGE, errno="EWHAT")
