"""Values to what goes on the wire: a header, a query parameter, a signature."""

from __future__ import annotations

from collections.abc import Mapping

from integration_hub.api.authentication import ApiKeyPlacement, AuthType
from integration_hub.api.reasons import Reason
from integration_hub.credentials.grant import Grant
from integration_hub.credentials.owned_secret import Owner
from integration_hub.credentials.reading import View
from integration_hub.domain.concealment import concealing
from integration_hub.ports import CredentialProblem, Expressions, Link, Presented, SecretText
from integration_hub.providers import auth
from integration_hub.providers.auth import Applied
from integration_hub.providers.request import RequestProblem
from integration_hub.providers.secret_values import Values, listed
from integration_hub.providers.sigv4 import AwsKeys, Scope, signer
from integration_hub.providers.token_request import Setting

BEARER = ApiKeyPlacement(prefix="Bearer ")


def of_values(
    link: Link, view: View, expressions: Expressions, values: Values | None = None
) -> Presented | CredentialProblem:
    """For the modes that need no token. `values`: those of a key on trial instead of the view's."""
    used = view.values if values is None else values
    if link.mode.type is AuthType.AWS_SIGV4:
        return _signing(link, view, expressions, used)
    applied = auth.apply(link.mode, used)
    match applied:
        case Applied():
            return Presented(
                applied.headers, applied.query, version=view.version, secrets=_all(used, applied)
            )
        case auth.InvalidKey(key, problem):
            return CredentialProblem(
                Reason.SECRET_KEY_INVALID, f"Key {key} of {_where(link)} cannot be used: {problem}."
            )
        case auth.MissingKeys(keys):
            return CredentialProblem(
                Reason.SECRET_KEY_MISSING, f"{_where(link)} lacks {listed(keys)}: add it with a value."
            )


def of_token(link: Link, view: View, grant: Grant) -> Presented:
    """A token, however it was obtained, at the place where the provider wants it."""
    place = link.mode.token or BEARER
    value = SecretText(f"{place.prefix}{grant.access_token.reveal()}")
    extra_headers = _named(link.mode.extra_headers, view.values)
    extra_query = _named(link.mode.extra_query, view.values)
    applied = (
        Applied(extra_headers, {place.name: value, **extra_query})
        if place.location == "query"
        else Applied({place.name: value, **extra_headers}, extra_query)
    )
    refresh = (grant.refresh_token,) if grant.refresh_token else ()
    return Presented(
        applied.headers,
        applied.query,
        version=grant.version,
        secrets=(grant.access_token, *refresh, *_all(view.values, applied)),
        expires_at=grant.expires_at,
    )


def bare_token(link: Link, presented: Presented) -> SecretText:
    """The token in what `of_token` made, without the words around it."""
    place = link.mode.token or BEARER
    carried = (presented.query if place.location == "query" else presented.headers)[place.name]
    return SecretText(carried.reveal().removeprefix(place.prefix))


def _signing(
    link: Link, view: View, expressions: Expressions, values: Values
) -> Presented | CredentialProblem:
    declared = link.mode.aws
    if declared is None:
        raise LookupError("a mode of type AWS_SIGV4 has aws")
    setting = Setting.of(link, values, expressions, 0.0)
    service, region = setting.fill(declared.service), setting.fill(declared.region)
    for each in (service, region):
        if isinstance(each, RequestProblem) or not each:
            problem = each.message if isinstance(each, RequestProblem) else "service or region is empty"
            told = concealing(values.values())(problem)
            return CredentialProblem(Reason.CONFIG_INVALID, f"Requests cannot be signed: {told}.")
    token = values.get("sessionToken")
    keys = AwsKeys(values["accessKeyId"].reveal(), values["secretAccessKey"], token or None)
    return Presented(
        sign=signer(keys, Scope(str(service), str(region))),
        version=view.version,
        secrets=tuple(value for name, value in values.items() if value and name != "accessKeyId"),
    )


def _named(wanted: Mapping[str, str], values: Values) -> dict[str, SecretText]:
    return {name: values[key] for name, key in wanted.items() if values.get(key)}


def _all(values: Values, applied: Applied) -> tuple[SecretText, ...]:
    """Everything that must be struck out of what is logged: no value is less secret than another."""
    return (
        *(value for value in values.values() if value),
        *applied.headers.values(),
        *applied.query.values(),
    )


def _where(link: Link) -> str:
    return link.spec.credentials.place or f"Secret {Owner.of(link).secret_name}"
