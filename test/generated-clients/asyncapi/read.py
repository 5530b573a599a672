"""Reads each example into its generated type, and those of the gateway as any frame, then writes them back unchanged."""
import importlib
import json
import re
import sys
from typing import Annotated, Union

from pydantic import Field, TypeAdapter

directory, examples_path = sys.argv[1:]
sys.path.insert(0, directory)


def type_of(title):
    module = re.sub(r"(?<!^)(?=[A-Z])", "_", title).lower()
    return getattr(importlib.import_module(f"peergate.{module}"), title)


with open(examples_path, encoding="utf-8") as file:
    examples = json.load(file)
server_types = [type_of(example["title"]) for example in examples if example["title"].startswith("Server")]
any_frame = TypeAdapter(Annotated[Union[tuple(server_types)], Field(discriminator="type")])

for example in examples:
    title, payload = example["title"], example["payload"]
    read = type_of(title).model_validate_json(json.dumps(payload))
    # A client sends only what it has set; answers have null for what is not there.
    kept = read.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert kept == payload, f"{title} became {kept}"
    if title.startswith("Server"):
        frame = any_frame.validate_json(json.dumps(payload))
        assert type(frame).__name__ == title, f"{title} was read as {type(frame).__name__}"
print(len(examples))
