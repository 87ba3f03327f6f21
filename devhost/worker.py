"""The worker library: load the app into this process, and invoke its functions.

The library keeps its state in its modules, so there is one app per process. This is the only module that imports it.
"""

import contextlib
import logging
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import azure_functions_runtime as runtime

from devhost import protos
from devhost.protos import ParameterBinding, RpcException, RpcFunctionMetadata, TypedData

# What the library adds below an ImportError of the app: advice about Azure and a long sys.path.
_LIBRARY_ADVICE = "Cannot find module. Please check the requirements.txt"
_CHAINED = "\nDuring handling of the above exception, another exception occurred:\n"

_function_names: dict[str, str] = {}  # of the invocations that are running


class AppError(Exception):
    """The app cannot be run; `details` is the traceback of its own error, or empty."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation came to: `error` is None when it succeeded."""

    value: TypedData | None
    error: RpcException | None
    outputs: Sequence[ParameterBinding] = ()


async def load(app: Path) -> list[RpcFunctionMetadata]:
    """Returns the functions of the app in the folder; raises AppError when there are none or it cannot be imported."""
    if not (app / "function_app.py").is_file():
        raise AppError(f"there is no function_app.py in {app}: start devhost in the folder of the app, or give --app")
    os.chdir(app)
    sys.path.insert(0, str(app))
    runtime.start_threadpool_executor()
    library_log = logging.getLogger("azure.functions")
    # The library logs an import error with advice about Azure before it returns it; it is told once, below.
    library_log.setLevel(logging.CRITICAL)
    answer = await runtime.worker_init_request(
        _message(worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(app)))
    )
    # One line per invocation otherwise, which the host's own lines already say.
    library_log.setLevel(logging.WARNING)
    if answer.result.status != protos.StatusResult.Success:
        raise _app_error(answer.result.exception)
    if "HttpUri" in answer.capabilities:
        raise AppError(
            "the app uses HTTP streaming (azurefunctions-extensions-http-fastapi), which is not imitated here"
        )
    metadata = await runtime.functions_metadata_request(_message())
    functions: list[RpcFunctionMetadata] = metadata.function_metadata_results or []
    if not functions:
        raise AppError(f"function_app.py in {app} declares no functions")
    return functions


async def invoke(
    function_id: str,
    function_name: str,
    data: ParameterBinding,
    metadata: Mapping[str, TypedData],
    trace_parent: str = "",
) -> Outcome:
    """Returns the outcome of one run of the function; an error raised by the function is in it, not raised here."""
    invocation_id = str(uuid.uuid4())
    invocation = SimpleNamespace(
        invocation_id=invocation_id,
        function_id=function_id,
        input_data=[data],
        trigger_metadata=metadata,
        trace_context=SimpleNamespace(trace_parent=trace_parent or _trace_parent(), trace_state="", attributes={}),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )
    _function_names[invocation_id] = function_name
    # The library sets this variable for sync functions, in their thread; for async ones it leaves it to the host.
    token = runtime.invocation_id_cv.set(invocation_id)
    try:
        response = await runtime.invocation_request(_message(invocation_request=invocation))
    finally:
        runtime.invocation_id_cv.reset(token)
        del _function_names[invocation_id]
    return Outcome(response.return_value, response.result.exception, response.output_data)


def current_function() -> str | None:
    """Returns the name of the function that the calling thread or task is running, or None."""
    return _function_names.get(runtime.invocation_id_cv.get() or "")


def stop() -> None:
    """Waits for the threads of the sync functions, without a bound: call it when no invocation is running."""
    with contextlib.suppress(RuntimeError):  # interpreter is already going down
        runtime.stop_threadpool_executor()


def _message(**request: object) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(**request), properties={"protos": protos, "host": "localhost"})


def _app_error(error: RpcException) -> AppError:
    *parts, last = error.stack_trace.split(_CHAINED)
    if not parts or _LIBRARY_ADVICE not in last:
        parts.append(last)
    message = error.message.partition(f". {_LIBRARY_ADVICE}")[0]
    return AppError(f"function_app.py cannot be loaded: {message}", _CHAINED.join(parts).strip())


def _trace_parent() -> str:
    return f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
