# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of AppArmor policy, apparmor.d(5): where its profiles begin and end, and their rules that bear on netlink.

Only as much as that needs is understood; apparmor_parser says whether a text is valid. Any text is read in time
proportional to its length. Every position is an index into the text, so that an editor can leave all else as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from ansible_collections.netlink.remediation.plugins.module_utils._apparmor import QUALIFIERS, rule_of
from ansible_collections.netlink.remediation.plugins.module_utils._parts import ProfileRule

DEEPEST = 32  # Blocks in blocks; what lies deeper is left out.
LONGEST = 4096  # Of a name or a pattern with the values of its variables.

# Also where a comment could stand: "#include" is no comment, wherever on a line.
_INCLUDE = re.compile(r'#?include(?=[ \t<"])([ \t]+if[ \t]+exists)?[ \t]*(<[^<>\n]*>|"[^"\n]*"|[^ \t\r\n<"]+)')
_ASSIGNMENT = re.compile(r"(@\{[A-Za-z_][A-Za-z0-9_]*\}|\$\{?[A-Za-z_][A-Za-z0-9_]*\}?)[ \t]*(\+?=)")
_VALUES = re.compile(r"(?:[^\n\\]|\\.|\\\n)*")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"?')
_LIST = re.compile(r"\([^(){}]*\)")
# What a word may go on with, without a special meaning; no two of the alternatives begin with the same character.
_PLAIN = re.compile(r'(?:[^ \t\r\n"{},(\\]|\\.)+', re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]+")  # Of other white space the parser knows nothing.
_COMMENT = re.compile(r"#[^\n]*")
_VARIABLE = re.compile(r"@\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Token(NamedTuple):
    """kind: word, open, close, end (of a rule), include or assignment; text: as written, without spaces around it."""

    kind: str
    text: str
    start: int
    stop: int


@dataclass
class Include:
    """path: as written, without its quotes; base: it stands in <>, so it is relative to the directory of the policy."""

    path: str
    base: bool
    if_exists: bool
    conditional: bool = False


@dataclass
class Block:
    """A profile or hat; the outermost one is the file itself, with name "".

    name: as the kernel calls it, variables as they are written. attachment: path or pattern, None when it has none.
    start: of its header. body: after its opening brace. end: of its closing brace, None when there is none. rules:
    file is "" in them, for the file that was read. includes: of this block itself. xattrs: it attaches only to files
    with such attributes.
    """

    name: str = ""
    attachment: Optional[str] = None
    flags: list[str] = field(default_factory=list)
    start: int = 0
    line: int = 1
    body: int = 0
    end: Optional[int] = None
    rules: list[ProfileRule] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    xattrs: bool = False


@dataclass
class Policy:
    """A file of policy. blocks: its profiles and hats, in order, nested ones after what they stand in; variables:
    values as written, @{NAME} without the braces."""

    text: str
    top: Block = field(default_factory=Block)
    blocks: list[Block] = field(default_factory=list)
    variables: dict[str, list[str]] = field(default_factory=dict)


class _Level(NamedTuple):
    """What an opening brace began. block None: something that is not understood; files: only their rules count."""

    block: Optional[Block]
    conditional: bool
    own: bool
    files: bool = False


def read_policy(text: str) -> Policy:
    """The profiles in a text. Never raises."""
    return _Reader(text).read()


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text, comments left out."""
    position, fresh, depth = 0, True, 0
    while position < len(text):
        token = _token(text, position, assignments=fresh and depth == 0)
        if token.kind:
            yield token
            fresh = token.kind != "word"
            depth = max(0, depth + (token.kind == "open") - (token.kind == "close"))
        position = token.stop


def _token(text: str, position: int, *, assignments: bool) -> Token:
    """The token at a position; kind is "" for spaces and comments."""
    for pattern, name in ((_SPACE, ""), (_INCLUDE, "include"), (_COMMENT, "")):
        found = pattern.match(text, position)
        if found:
            return Token(name, found[0], position, found.end())
    if assignments and _ASSIGNMENT.match(text, position):
        stop = _VALUES.match(text, position).end()  # type: ignore[union-attr]  # It matches the empty text too.
        return Token("assignment", text[position:stop], position, stop)
    kind = {"{": "open", "}": "close", ",": "end"}.get(text[position])
    stop = position + 1 if kind else _word_end(text, position)
    return Token(kind or "word", text[position:stop], position, stop)


def _word_end(text: str, start: int) -> int:
    """Where a word ends. Braces in it are alternatives; in a path a comma that something follows belongs to it."""
    position, depth = start, 0
    path = text[start] in "/@"
    while position < len(text):
        char = text[position]
        if char == '"':
            position = _QUOTED.match(text, position).end()  # type: ignore[union-attr]
        elif char == "(":
            group = _LIST.match(text, position) if position == start or text[position - 1] == "=" else None
            position = group.end() if group else position + 1
        elif char == "{":
            depth, position = depth + 1, position + 1
        elif char == "}" and depth:
            depth, position = depth - 1, position + 1
        elif char == "," and (depth or (path and text[position + 1 : position + 2].strip(' \t\r\n",!'))):
            position += 1
        else:
            plain = _PLAIN.match(text, position)
            if plain is None:
                break
            position = plain.end()
    return max(position, start + 1)


class _Reader:
    """Puts tokens together to rules and blocks."""

    def __init__(self, text: str) -> None:
        self.policy = Policy(text)
        self.lines = [found.start() for found in re.finditer("\n", text)]
        self.levels = [_Level(self.policy.top, False, own=True)]
        self.too_deep = 0
        self.pending: list[Token] = []

    def read(self) -> Policy:
        """The policy in the text."""
        for token in tokens(self.policy.text):
            if token.kind == "word":
                self.pending.append(token)
            elif token.kind == "include":
                self._include(token)
            elif token.kind == "assignment":
                self._assign(token.text)
            elif token.kind == "end":
                self._rule(token)
                self.pending = []
            elif token.kind == "open":
                self._open(token)
                self.pending = []
            else:
                self._close(token)
                self.pending = []
        return self.policy

    def _line(self, position: int) -> int:
        return bisect_right(self.lines, position - 1) + 1

    def _include(self, token: Token) -> None:
        found = _INCLUDE.match(token.text)
        level = self.levels[-1]
        if found is None or level.block is None:
            return
        path = found[2]
        base = path.startswith("<")
        path = path[1:-1] if path[0] in '<"' else path
        level.block.includes.append(Include(path.strip(), base, bool(found[1]), level.conditional))

    def _assign(self, text: str) -> None:
        found = _ASSIGNMENT.match(text)
        name = _VARIABLE.fullmatch(found[1]) if found else None
        if found is None or name is None:
            return  # A boolean, which only conditions use.
        values = [unquoted(word) for word in _values(text[found.end() :])]
        self.policy.variables.setdefault(name[1], []).extend(values)

    def _rule(self, token: Token) -> None:
        level = self.levels[-1]
        words = [word.text for word in self.pending]
        rule = rule_of(words) if level.block is not None and self.pending and not self.too_deep else None
        if rule is not None and level.block is not None and (rule.kind == "file" or not level.files):
            start = self.pending[0].start
            rule.text = " ".join(self.policy.text[start : token.stop].split())
            rule.line = self._line(start)
            rule.conditional = rule.conditional or level.conditional
            level.block.rules.append(rule)

    def _open(self, token: Token) -> None:
        if len(self.levels) > DEEPEST:
            self.too_deep += 1
            return
        words = [word.text for word in self.pending]
        level = self.levels[-1]
        block = _block_of(words, level.block)
        if block is not None:
            block.start = self.pending[0].start
            block.line = self._line(block.start)
            block.body = token.stop
            self.policy.blocks.append(block)
            self.levels.append(_Level(block, False, own=True))
        elif words and words[0] in ("if", "else"):
            self.levels.append(_Level(level.block, True, own=False))
        else:
            # Of a block of qualifiers the parser keeps the rules for files alone (measured with 4.1): "audit deny {
            # capability net_admin, }" denies nothing, and "allow { network, }" allows nothing.
            qualified = bool(words) and all(word in QUALIFIERS for word in words)
            self.levels.append(_Level(level.block if qualified else None, True, own=False, files=True))

    def _close(self, token: Token) -> None:
        if self.too_deep:
            self.too_deep -= 1
        elif len(self.levels) > 1:
            level = self.levels.pop()
            if level.own and level.block is not None:
                level.block.end = token.start


def _values(text: str) -> list[str]:
    """The values of an assignment; a comment ends them."""
    found = []
    for match in re.finditer(
        r'#.*|(?:[^ \t\r\n"\\#]|\\.|"(?:[^"\\]|\\.)*"?)(?:[^ \t\r\n"\\]|\\.|"(?:[^"\\]|\\.)*"?)*', text
    ):
        if match[0].startswith("#"):
            break
        found.append(match[0])
    return found


def _block_of(words: Sequence[str], parent: Optional[Block]) -> Optional[Block]:
    """The profile or hat that a header begins, None when it is none. parent: what it stands in."""
    if parent is None or not words:
        return None
    rest, flags = _without_lists(words)
    top = not parent.name
    if rest[:1] == ["profile"] and len(rest) in (2, 3):
        name, attachment = rest[1], rest[-1]
    elif rest[:1] == ["hat"] and len(rest) == 2:
        name, attachment = rest[1], None
    elif len(rest) == 1 and rest[0].startswith("^") and len(rest[0]) > 1:
        name, attachment = rest[0][1:], None
    elif len(rest) == 1 and top and rest[0].lstrip('"')[:1] in ("/", ":", "@"):
        name = attachment = rest[0]
    else:
        return None
    name = unquoted(name)
    attachment = unquoted(attachment) if attachment is not None else None
    if attachment is not None and attachment[:1] not in ("/", "@", "{"):
        attachment = None
    conditional = any(word.startswith("xattrs") for word in words)
    return Block(name if top else f"{parent.name}//{name}", attachment, flags, xattrs=conditional)


def _without_lists(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a header without flags=(...) and xattrs=(...), and the flags."""
    rest: list[str] = []
    flags: list[str] = []
    text = " ".join(words)
    named = re.search(r"(?:^|\s)(?:flags\s*=\s*)?\(([^()=]*)\)", text)
    if named:
        flags = [flag for flag in re.split(r"[\s,]+", named[1]) if flag]
    listed = False
    for word in words:
        if word in ("flags", "xattrs", "=") or word.startswith(("flags=", "xattrs=", "(", "=(")):
            listed = True
        elif not listed:
            rest.append(word)
    return rest, flags


def unquoted(word: str) -> str:
    """A word without quotes around it or a part of it."""
    return re.sub(r'"((?:[^"\\]|\\.)*)"?', lambda found: found[1].replace('\\"', '"'), word)


def expand(text: str, variables: dict[str, list[str]]) -> str:
    """The text with the values of variables, as alternatives where there are several.

    Unknown ones stay as they are, and so does what would get too long.
    """
    for _round in range(8):  # A variable may be made of others.
        changed = _expand_once(text, variables)
        if changed is None or changed == text:
            break
        text = changed
    return re.sub("//+", "/", text)


def _expand_once(text: str, variables: dict[str, list[str]]) -> Optional[str]:
    parts, position, length = [], 0, len(text)
    for found in _VARIABLE.finditer(text):
        values = variables.get(found[1]) or [found[0]]
        length += sum(len(value) + 1 for value in values) + 1
        if length > LONGEST:
            return None
        parts += [text[position : found.start()], values[0] if len(values) == 1 else "{" + ",".join(values) + "}"]
        position = found.end()
    return "".join([*parts, text[position:]])
