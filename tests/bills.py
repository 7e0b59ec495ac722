"""A bill of materials -> the serial number that is its content's."""

from __future__ import annotations

import json
from typing import Any
from uuid import NAMESPACE_OID, uuid5


def serial_number(document: dict[str, Any]) -> str:
    """Return the UUID (RFC 9562, version 5) of a document's text, as we write it, with an empty number in its place."""
    text = json.dumps({**document, "serialNumber": ""}, separators=(",", ":"), sort_keys=True)
    return f"urn:uuid:{uuid5(NAMESPACE_OID, text)}"
