"""Prints the JSON Schema of all messages, from which the browser's TypeScript types are made.

`python -m backend.protocol.schema`
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from backend.protocol import messages


class _WithoutTitles(GenerateJsonSchema):
    """Field titles would make the TypeScript generator emit RequestId1, RequestId2, ..."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> dict[str, Any]:
    """One schema whose definitions are all records and messages, and the four unions."""
    unions: dict[str, TypeAdapter[Any]] = {
        "ClientMessage": TypeAdapter(messages.ClientMessage),
        "ServerMessage": TypeAdapter(messages.ServerMessage),
        "BulkClientMessage": TypeAdapter(messages.BulkClientMessage),
        "BulkServerMessage": TypeAdapter(messages.BulkServerMessage),
    }
    references, combined = TypeAdapter.json_schemas(
        [(name, "serialization", adapter) for name, adapter in unions.items()],
        ref_template="#/$defs/{model}",
        schema_generator=_WithoutTitles,
    )
    definitions = combined["$defs"]
    for (name, _), reference in references.items():
        definitions.setdefault(name, reference)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Protocol",
        "description": f"Protocol version {messages.PROTOCOL_VERSION}",
        "type": "object",
        "properties": {name: {"$ref": f"#/$defs/{name}"} for name in unions},
        "required": list(unions),
        "additionalProperties": False,
        "$defs": definitions,
    }


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
