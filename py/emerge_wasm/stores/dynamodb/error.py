"""The errors of DynamoDB and of the network: what they mean, and whether they may pass. Sends no request."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import ClientError as TransportError
from botocore import exceptions as boto

from ...errors import Conflict, EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable
from .row import Item

FAILURES = (boto.ClientError, boto.BotoCoreError, boto.HTTPClientError, TransportError, OSError, TimeoutError)
"""Everything that a request can fail with."""

_BUSY = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"})  # as reasons
_THROTTLED = frozenset(  # as codes and as reasons
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
    }
)
_REFUSED = _THROTTLED | {  # for now, and certainly not done
    "TransactionConflictException",
    "LimitExceededException",
    "ReplicatedWriteConflictException",
}
_DENIED = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_IN_PROGRESS = "TransactionInProgressException"


class ConditionFailed(Conflict):
    """A condition of a single write did not hold."""


class TableMissing(Unavailable):
    """There is no such table."""


def to_emerge_error(error: BaseException, name: str) -> EmergeError:
    """Return the EmergeError for what a request to the table `name` failed with."""
    if not isinstance(error, boto.ClientError):
        return _from_transport(error, name)
    code = _code(error)
    said = error.response.get("Error", {}).get("Message") or code
    said = " ".join([said, *(str(each["Message"]) for each in reasons_of(error) if each.get("Message"))])
    if code in ("ConditionalCheckFailedException", "ResourceInUseException"):  # the latter: of a table to be made
        return ConditionFailed(said)
    if code == "ResourceNotFoundException":
        return TableMissing(f"there is no DynamoDB table {name}", remedy="make it, or open the store again")
    if code in _DENIED or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (401, 403):
        return PermissionDenied(
            f"DynamoDB refuses access to the table {name}: {code}",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a user's who may read and write it",
        )
    if code in _THROTTLED or (passing(error) and any(each.get("Code") in _THROTTLED for each in reasons_of(error))):
        return Unavailable(
            f"the DynamoDB table {name} takes no more for now: {code}",
            remedy="try again later; if it lasts, give the table more capacity, or bill it by request",
        )
    if "size" in said.lower() and ("exceed" in said.lower() or "limit" in said.lower()):
        return LimitExceeded(f"DynamoDB: {said}", remedy="commit less at once", limit="transaction size")
    if code == "ValidationException" and ("key element" in said or "schema" in said):
        return Invalid(f"the DynamoDB table {name} is not of Emerge stores", remedy="name another table")
    if passing(error):
        return Unavailable(f"the DynamoDB table {name} is not to be had: {code}", remedy="try again later")
    return Invalid(f"DynamoDB refuses a request to the table {name}: {code}: {said}", remedy="report this")


def _from_transport(error: BaseException, name: str) -> EmergeError:
    kind = type(error).__name__
    if isinstance(error, boto.NoRegionError | boto.InvalidRegionError):
        return Invalid(
            f"no region is known for the DynamoDB table {name}", remedy="add region=… or set AWS_DEFAULT_REGION"
        )
    credentials = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
    if isinstance(error, (*credentials, boto.TokenRetrievalError)):
        return PermissionDenied(
            f"no credentials are found for the DynamoDB table {name} ({kind})",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if isinstance(error, boto.ProfileNotFound | boto.ConfigNotFound | boto.ConfigParseError):
        return Invalid(f"the AWS configuration cannot be used ({kind})", remedy="look at AWS_PROFILE and ~/.aws/config")
    return Unavailable(f"the DynamoDB table {name} is out of reach ({kind})", remedy="look at the network and endpoint")


def _code(error: BaseException) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, boto.ClientError) else ""


def reasons_of(error: BaseException) -> Sequence[Item]:
    """Return what a cancelled transaction says of each of its items."""
    found: Sequence[Item] = error.response.get("CancellationReasons", ()) if isinstance(error, boto.ClientError) else ()
    return found


def passing(error: BaseException) -> bool:
    """Return whether the same request may succeed a little later."""
    if not isinstance(error, boto.ClientError):
        lasting = (boto.NoRegionError, boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound)
        return not isinstance(error, lasting)
    codes = {str(reason.get("Code")) for reason in reasons_of(error)} - {"None"}
    if codes:
        return codes <= _BUSY
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _code(error) in _REFUSED or _code(error) == _IN_PROGRESS or status >= 500 or status == 429


def certain(error: BaseException) -> bool:
    """Return whether a request that failed so has certainly not been done."""
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return True
    return bool(reasons_of(error)) or _code(error) in _REFUSED
