"""The messages that the worker library exchanges with its host, as plain Python classes.

In Azure these are protobuf messages over gRPC. The library only ever builds them by keyword and reads their fields, and
is handed the module to take them from, so plain classes do. Names and spellings are the protocol's own. Only what the
installed library uses is here; a test compares the two, so that an upgrade that needs more fails loudly.
"""

from dataclasses import dataclass, field
from datetime import timedelta

type Text = str
type Raw = bytes
type Whole = int
type Real = float


@dataclass(frozen=True, slots=True)
class NullableString:
    value: str


@dataclass(frozen=True, slots=True)
class NullableBool:
    value: bool


@dataclass(frozen=True, slots=True)
class NullableDouble:
    value: float


@dataclass(frozen=True, slots=True)
class Timestamp:
    """Looked up by the library with `getattr`; without it, it would want the protobuf package."""

    seconds: int


@dataclass(frozen=True, slots=True)
class NullableTimestamp:
    value: Timestamp


class SameSite:
    """The protocol's enumeration. Its first member is called `None`, which Python can only set by name."""

    Lax = 1
    Strict = 2
    ExplicitNone = 3


setattr(SameSite, "None", 0)


@dataclass(frozen=True, slots=True)
class RpcHttpCookie:
    # No annotation: it belongs to the class, as the nested enumeration of the real message does.
    SameSite = SameSite

    name: str
    value: str
    domain: NullableString | None = None
    path: NullableString | None = None
    expires: NullableTimestamp | None = None
    secure: NullableBool | None = None
    http_only: NullableBool | None = None
    same_site: int = 0
    max_age: NullableDouble | None = None


@dataclass(frozen=True, slots=True)
class RpcHttp:
    """An HTTP request or, with `status_code` and `cookies`, an answer."""

    method: str = ""
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: "TypedData | None" = None
    status_code: str = ""
    cookies: list[RpcHttpCookie] | None = None
    enable_content_negotiation: bool = False


@dataclass(frozen=True, slots=True)
class ModelBindingData:
    """A thing that the function is told of instead of being given: the app's own extension makes something of it."""

    version: str
    source: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class TypedData:
    """One value in the field that names its kind; none of them when there is no value."""

    string: Text | None = None
    json: Text | None = None
    bytes: Raw | None = None
    http: RpcHttp | None = None
    int: Whole | None = None
    double: Real | None = None
    model_binding_data: ModelBindingData | None = None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - protobuf's own name, which the library calls
        """Returns the name of the field that is set, or None."""
        for name in ("string", "json", "bytes", "http", "int", "double", "model_binding_data"):
            if getattr(self, name) is not None:
                return name
        return None


@dataclass(frozen=True, slots=True)
class ParameterBinding:
    name: str
    data: TypedData

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 - protobuf's own name, which the library calls
        """Returns "data": the other choice of the protocol, shared memory, is not offered."""
        return "data"


class BindingInfo:
    # The values of the protocol's Direction (in is 0) and DataType enumerations.
    undefined = 0
    out = 1
    inout = 2

    def __init__(self, *, type: str, data_type: int | None, direction: int) -> None:  # noqa: A002 - the protocol's name
        self.type = type
        self.data_type = data_type
        self.direction = direction


@dataclass(frozen=True, slots=True)
class RpcException:
    message: str = ""
    stack_trace: str = ""
    source: str = ""


class StatusResult:
    Failure = 0
    Success = 1

    def __init__(self, *, status: int, exception: RpcException | None = None) -> None:
        self.status = status
        self.exception = exception


@dataclass(frozen=True, slots=True)
class RpcRetryOptions:
    max_retry_count: int
    retry_strategy: str
    delay_interval: timedelta | None = None
    minimum_interval: timedelta | None = None
    maximum_interval: timedelta | None = None


@dataclass(frozen=True, slots=True)
class RpcFunctionMetadata:
    name: str
    function_id: str
    directory: str
    script_file: str
    entry_point: str
    language: str
    bindings: dict[str, BindingInfo]
    raw_bindings: list[str]
    retry_options: RpcRetryOptions | None = None
    properties: dict[str, str] = field(default_factory=dict)
    managed_dependency_enabled: bool = False
    is_proxy: bool = False


@dataclass(frozen=True, slots=True)
class WorkerMetadata:
    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: dict[str, str]


@dataclass(frozen=True, slots=True)
class WorkerInitResponse:
    capabilities: dict[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


@dataclass(frozen=True, slots=True)
class FunctionMetadataResponse:
    use_default_metadata_indexing: bool
    function_metadata_results: list[RpcFunctionMetadata] | None
    result: StatusResult


@dataclass(frozen=True, slots=True)
class FunctionLoadResponse:
    function_id: str
    result: StatusResult


@dataclass(frozen=True, slots=True)
class FunctionEnvironmentReloadResponse:
    """Never sent here: it answers a message that only a warm placeholder of Azure gets."""

    result: StatusResult
    capabilities: dict[str, str] = field(default_factory=dict)
    worker_metadata: WorkerMetadata | None = None


@dataclass(frozen=True, slots=True)
class InvocationResponse:
    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: list[ParameterBinding] = field(default_factory=list)
