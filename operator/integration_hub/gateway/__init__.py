"""The HTTP door: translates requests into operations and their outcomes into answers, and decides nothing.

How a request travels, outermost first; each step is a module:

    server    uvicorn in our loop: connection cap, deadlines and caps of heads, slow readers cut
    edge      correlation id, security headers, the figures, and the last word on every bug
    bodies    every body read is capped and has deadlines
    identity  a bearer token becomes a Caller; whatever names no token is refused (PUBLIC lists what may);
              `limits`: how often, per address before and per caller after authentication
    route     ApiRoute: 415 for what is not JSON, Idempotency-Key on POST
    families  the paths, their models and their spelling

Conventions for whoever adds a route:

* A family of paths is a module in `families/`: a class built with `GatewayParts` whose `router()` declares
  each route with `add_api_route(path, self.method, methods=[...], summary="Verb object")`. The summary makes
  the error text: "Execute API call" becomes "Failed to execute API call". Static paths come before ids.
* Who asks, and where: a parameter `asking: Asking` (a namespace is needed: from the path's `workspaceId` or
  `projectId`, else `X-Tenant`, else the token's own) or `asking: MaybeAsking` (it may be empty). It has
  `caller`, `namespace`, `correlation_id`, `trace`, and `within(namespace)` for bodies that name a project.
* A route calls one operation and returns `told(await operation(asking.caller, input))`: a Problem becomes
  the error answer of `errors`, whatever else is passed on. A route's own no: `raise Refusal(problem)`.
* Query parameters are a `Body` model too: `query: Annotated[XQuery, Query()]`.
* Bodies and answers are pydantic models in `families/models/` (camelCase outside, unknown fields refused
  going in, times by `meta.Timestamp`). Words (enums) are spelt by the family's `Spelling`, in and out:
  operations know the CRD's words alone.
* Raw streams: a plain `starlette.routing.Route` or `APIRoute` instead of `ApiRoute`; the body then is
  `request.stream()`, and `visit_of(request).body.open(max_bytes=…, seconds=…)` sets its bounds.
"""

from __future__ import annotations
