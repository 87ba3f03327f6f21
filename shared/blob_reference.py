"""What a blob function is given: which blob, not its bytes.

The host then reads nothing: the app reads the blob itself, once, with the version that the bytes belong to, and never
what is too large. The Functions SDK's own types for this (`azurefunctions-extensions-bindings-blob`) take a quarter of
a second to import, which every start of the app would pay, and make a new client for every blob; this is the same
extension point with less behind it.
"""

import json
from dataclasses import dataclass
from typing import Any

from azurefunctions.extensions.base import Datum, InConverter, SdkType


@dataclass(frozen=True, slots=True)
class BlobReference(SdkType):
    """A blob: its container, and its path in there."""

    container: str
    path: str

    def get_sdk_type(self) -> "BlobReference":
        """What the function is given; the base class asks for this."""
        return self


class _BlobReferenceConverter(InConverter, binding="blob", trigger="blobTrigger"):
    """Registered by being defined: makes the references that the worker hands to blob functions."""

    @classmethod
    def check_input_type_annotation(cls, pytype: type) -> bool:
        return issubclass(pytype, BlobReference)

    @classmethod
    def decode(cls, data: Datum, *, trigger_metadata: Any, **_type: Any) -> BlobReference:  # noqa: ARG003 - the worker's
        content = json.loads(data.value.content)
        return BlobReference(content["ContainerName"], content["BlobName"])
