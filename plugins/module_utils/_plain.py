# Copyright (c) 2026, the netlink.remediation authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form of dataclasses that JSON can hold, and the way back: to_plain() -> JSON -> from_plain().

Storey 0: no I/O. This is what a snapshot and a receipt are. Annotations of such dataclasses use Optional[...] and not
"X | None", because from_plain() evaluates them under Python 3.9 too.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
import typing
from typing import Any, TypeVar

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Dataclasses, tuples and mappings as the dicts, lists and scalars that JSON knows; mapping keys become strings."""
    if dataclasses.is_dataclass(value):
        return {item.name: to_plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Types of the fields. Imported here: what names the parts of a state has need not have them at hand."""
    from ansible_collections.netlink.remediation.plugins.module_utils import _parts, _state

    names: dict[str, Any] = {}
    for module in (_parts, _state, sys.modules[kind.__module__]):
        names.update(vars(module))
    return typing.get_type_hints(kind, localns=names)


def from_plain(kind: type[T], data: Any) -> T:
    """Rebuild a dataclass from its plain form.

    Unknown keys, missing required keys and values of a wrong type raise ValueError with one sentence that names the
    place, e.g. "workloads[0].pid: expected int, got 'x'".
    """
    return typing.cast(T, _decode(kind, data, ""))


def _decode(kind: Any, data: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(typing.cast(type, kind), data, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return data
    if origin is typing.Union:
        return None if data is None else _decode(arguments[0], data, where)
    if origin in (list, tuple):
        if not isinstance(data, (list, tuple)):
            raise ValueError(f"{where or 'value'}: expected list, got {data!r:.80}")
        return origin(_decode(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(data))
    if origin is dict:
        if not isinstance(data, dict):
            raise ValueError(f"{where or 'value'}: expected dict, got {data!r:.80}")
        return {
            _decode_key(arguments[0], key, where): _decode(arguments[1], item, f"{where}[{key}]")
            for key, item in data.items()
        }
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise ValueError(f"{where or 'value'}: expected {kind.__name__}, got {data!r:.80}")
    return data


def _decode_key(kind: Any, key: Any, where: str) -> Any:
    try:
        return kind(key)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: expected keys of type {kind.__name__}, got {key!r:.80}") from None


def _decode_dataclass(kind: type, data: Any, where: str) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"{where or kind.__name__}: expected dict, got {data!r:.80}")
    hints = _hints(kind)
    known = {item.name: item for item in dataclasses.fields(kind)}
    prefix = where + "." if where else ""
    for key in data:
        if key not in known:
            raise ValueError(f"{prefix}{key}: unknown key of {kind.__name__}, expected one of {', '.join(known)}")
    for name, item in known.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and name not in data:
            raise ValueError(f"{prefix}{name}: missing in {kind.__name__}")
    return kind(**{key: _decode(hints[key], value, prefix + key) for key, value in data.items()})
