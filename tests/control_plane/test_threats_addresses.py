"""SSRF through the public doors: whatever a tenant writes, the hub connects to nothing that is inside.

The tables of `domain/address.py` and `domain/url.py` have their own tests; here a process of the hub is told
these addresses by kubectl and by HTTP, and a listener on the loopback waits for what must not come.
"""

from __future__ import annotations

import base64
import json

import pytest

from eventually import eventually
from far_end import Reply
from tenant import Tenant, head_of
from threat_stage import NAMES, Answer, Siege

pytestmark = [pytest.mark.control_plane, pytest.mark.xdist_group("threats"), pytest.mark.timeout(180)]

HUB = "/api/integration-hub"
PATIENCE = 60.0

ILLEGIBLE = "InvalidURL"
"""A spelling that two programs could read in two ways is refused as text."""
TELLTALE = "SecretInConfig"
"""So is what looks like a password in an address, which is told so that it is replaced."""

NAMED = "leads to an address that is closed; an administrator may open it by adding its address with port"
"""Of a name, whoever chose it learns neither the address nor what kind it is."""

SPELLINGS: tuple[tuple[str, str], ...] = (
    # the loopback of this machine, where somebody listens on {port}
    ("https://127.0.0.1:{port}", "loopback"),
    ("https://127.0.0.2:{port}", "loopback"),
    ("http://127.0.0.1:{port}", "loopback"),
    ("HTTP://127.0.0.1:{port}", "loopback"),
    ("https://localhost:{port}", "a name inside a network"),
    ("https://LocalHost.:{port}", "a name inside a network"),
    ("https://foo.localhost:{port}", "a name inside a network"),
    ("https://[::1]:{port}", "loopback"),
    ("https://[0:0:0:0:0:0:0:1]:{port}", "loopback"),
    ("https://0.0.0.0:{port}", "this network"),
    ("https://[::]:{port}", "unspecified"),
    ("https://[::ffff:127.0.0.1]:{port}", "IPv4 address inside"),
    ("https://[::ffff:7f00:1]:{port}", "IPv4 address inside"),
    ("https://[::127.0.0.1]:{port}", "IPv4 address inside"),
    ("https://[64:ff9b::7f00:1]:{port}", "NAT64"),
    ("https://[64:ff9b::127.0.0.1]:{port}", "NAT64"),
    ("https://[64:ff9b:1::7f00:1]:{port}", "NAT64"),
    ("https://[2002:7f00:1::]:{port}", "6to4"),
    ("https://[2001:0:7f00:1::]:{port}", "Teredo"),
    # its odd spellings: short, decimal, hexadecimal, octal, escaped, with dots and digits of other scripts
    ("https://127.0.0.1.:{port}", ILLEGIBLE),
    ("https://127.1:{port}", ILLEGIBLE),
    ("https://127.0.1:{port}", ILLEGIBLE),
    ("https://2130706433:{port}", ILLEGIBLE),
    ("https://0x7f000001:{port}", ILLEGIBLE),
    ("https://0x7f.0.0.1:{port}", ILLEGIBLE),
    ("https://0177.0.0.1:{port}", ILLEGIBLE),
    ("https://017700000001:{port}", ILLEGIBLE),
    ("https://0:{port}", ILLEGIBLE),
    ("https://127.0.0.1%2e:{port}", ILLEGIBLE),
    ("https://127%2e0%2e0%2e1:{port}", ILLEGIBLE),
    ("https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:{port}", ILLEGIBLE),
    ("https://127\u30020\u30020\u30021:{port}", ILLEGIBLE),
    ("https://127\uff0e0\uff0e0\uff0e1:{port}", ILLEGIBLE),
    ("https://[::1%25lo]:{port}", ILLEGIBLE),
    ("https://[127.0.0.1]:{port}", ILLEGIBLE),
    # who is the host here?
    ("https://api.vendor.example@127.0.0.1:{port}", ILLEGIBLE),
    ("https://user:pass@127.0.0.1:{port}", TELLTALE),
    ("https://127.0.0.1:{port}\\@api.vendor.example", TELLTALE),
    ("https://127.0.0.1:{port}#@api.vendor.example", TELLTALE),
    ("https://127.0.0.1:{port}?@api.vendor.example", TELLTALE),
    ("https://127.0.0.1\t:{port}", ILLEGIBLE),
    ("https://127.0.0.1\r\n:{port}", ILLEGIBLE),
    ("https:127.0.0.1:{port}", ILLEGIBLE),
    ("//127.0.0.1:{port}", ILLEGIBLE),
    ("https:///127.0.0.1:{port}", ILLEGIBLE),
    ("https://127.0.0.1:{port}:443", ILLEGIBLE),
    ("https://127.0.0.1:0{port}", ILLEGIBLE),
    # metadata of clouds
    ("https://169.254.169.254", "cloud metadata"),
    ("https://100.100.100.200", "cloud metadata"),
    ("https://168.63.129.16", "cloud metadata"),
    ("https://[fd00:ec2::254]", "cloud metadata"),
    ("https://192.0.0.192", "IETF protocol assignments"),
    ("https://[::ffff:169.254.169.254]", "IPv4 address inside"),
    ("https://[64:ff9b::a9fe:a9fe]", "NAT64"),
    ("https://169.254.169.254.", ILLEGIBLE),
    ("https://0xa9fea9fe", ILLEGIBLE),
    ("https://2852039166", ILLEGIBLE),
    ("https://0251.0376.0251.0376", ILLEGIBLE),
    # networks that are nobody's on the internet
    ("https://10.0.0.1", "private network"),
    ("https://172.16.0.1", "private network"),
    ("https://172.31.255.255", "private network"),
    ("https://192.168.0.1", "private network"),
    ("https://100.64.0.1", "carrier-grade NAT"),
    ("https://169.254.0.1", "link-local"),
    ("https://198.18.0.1", "benchmarking"),
    ("https://192.0.2.1", "documentation"),
    ("https://224.0.0.1", "multicast"),
    ("https://240.0.0.1", "reserved"),
    ("https://255.255.255.255", "broadcast"),
    ("https://[fe80::1]", "link-local"),
    ("https://[fec0::1]", "site-local"),
    ("https://[fc00::1]", "unique local network"),
    ("https://[ff02::1]", "multicast"),
    ("https://[2001:db8::1]", "documentation"),
    ("https://[100::1]", "discard"),
    # names of the inside, and names of the outside that lead there
    ("https://kubernetes.default.svc", "a name inside a network"),
    ("https://metadata.google.internal", "a name inside a network"),
    ("https://wiki.corp", "a name inside a network"),
    ("https://metadata.far.example", NAMED),
    ("https://loop.far.example:{port}", NAMED),
    ("https://six.far.example:{port}", NAMED),
    ("https://mapped.far.example:{port}", NAMED),
    ("https://nat64.far.example:{port}", NAMED),
    ("https://sixtofour.far.example:{port}", NAMED),
    ("https://private.far.example", NAMED),
    ("https://shared.far.example", NAMED),
    ("https://any.far.example:{port}", NAMED),
    # ports and schemes
    ("https://93.184.216.34:22", "port 22 is not one that web APIs use"),
    ("https://93.184.216.34:0", ILLEGIBLE),
    ("https://93.184.216.34:65536", ILLEGIBLE),
    ("https://93.184.216.34:-1", ILLEGIBLE),
    ("http://93.184.216.34", "plain http"),
    ("file:///etc/passwd", ILLEGIBLE),
    ("gopher://93.184.216.34", ILLEGIBLE),
    ("ftp://93.184.216.34", ILLEGIBLE),
    ("unix:///var/run/docker.sock", ILLEGIBLE),
    ("data:text/plain,x", ILLEGIBLE),
    ("", ILLEGIBLE),
    # the API server, which a wide entry of the allow-list covers; our own doors; what the list does not say
    ("{api_server}", "loopback"),
    ("{api_server}/api/v1/secrets", "loopback"),
    ("https://127.0.0.1:{probes}/metrics", "loopback"),
    ("https://127.0.0.1:{gateway}", "loopback"),
    ("http://127.0.0.2:{open}", "loopback"),
    ("http://localhost.:{port}", "plain http"),
)


@pytest.mark.req("CUS-15", "SEC-09", "SEC-11")
def test_no_spelling_of_an_address_leads_inside(under_siege: Siege) -> None:
    tenant = under_siege.tenant("ssrf")
    places = {
        "port": under_siege.inside.port,
        "open": under_siege.outside.port,
        "gateway": under_siege.hub.gateway_port,
        "probes": under_siege.hub.port,
        "api_server": under_siege.plane.url,
    }
    sites = {f"site-{i:03}": (text.format(**places), why) for i, (text, why) in enumerate(SPELLINGS)}
    connect(tenant, {name: url for name, (url, _) in sites.items()} | {"open": tenant.corner.url})
    judged = verdicts(tenant, len(sites) + 1)
    assert judged.pop("open") == ("True", "Succeeded", "Connected to Far End.")
    wrong = {sites[name][0]: found for name, found in judged.items() if not as_told(found, sites[name][1])}
    assert wrong == {}
    token = under_siege.caller(tenant.namespace, "edit")
    answers = {name: execute(under_siege, name, token) for name in sites}
    let_through = {
        sites[name][0]: answer.body
        for name, answer in answers.items()
        if answer.code
        != ("INVALID_CONFIGURATION" if sites[name][1] in (ILLEGIBLE, TELLTALE) else "ADDRESS_BLOCKED")
    }
    assert let_through == {}
    assert execute(under_siege, "open", token).status == 200
    assert under_siege.inside.came == []


@pytest.mark.req("SEC-09")
def test_what_a_name_leads_to_is_told_to_administrators_alone(under_siege: Siege) -> None:
    """A name server of their own would let tenants draw a map of the inside."""
    tenant = under_siege.tenant("names")
    chosen = {name: address for name, address in NAMES.items() if name.endswith(".far.example")}
    connect(tenant, {name.partition(".")[0]: f"https://{name}" for name in chosen})
    judged = verdicts(tenant, len(chosen))
    words = {message.replace(f"{name}.far.example", "NAME") for name, (_, _, message) in judged.items()}
    assert len(words) == 1, words
    token = under_siege.caller(tenant.namespace, "edit")
    for name in judged:
        answer = execute(under_siege, name, token)
        assert answer.code == "ADDRESS_BLOCKED", answer.body
        assert chosen[f"{name}.far.example"].encode() not in answer.body
    told = {
        (entry["host"], entry["inside"].rpartition(": ")[0])
        for entry in under_siege.hub.entries()
        if entry.get("inside")
    }
    assert set(chosen.items()) <= told


def test_a_redirect_leads_nowhere(under_siege: Siege) -> None:
    """Neither for calls of any kind nor for probes and token requests."""
    tenant, inside = under_siege.tenant("redirect"), f"http://127.0.0.1:{under_siege.inside.port}"
    ways = iter([301, 302, 303, 307, 308] * 100)
    tenant.corner.behave = lambda _: Reply(next(ways), {}, {"location": f"{inside}/latest/meta-data"})
    tenant.provider(
        authModes=[{"type": "NONE"}, {"type": "OAUTH2_CLIENT_CREDENTIALS"}],
        oauth={"tokenUrl": "/token", "authorizeUrl": "/authorize"},
        configSchema={},
        endpoints=[{"name": "Here", "path": "/here"}],
        widgets=[{"id": "w", "title": "W", "endpoint": "Here"}],
    )
    tenant.secret("client", clientId="id", clientSecret="client-secret-value")
    tenant.integration("calls", config={}, credentials={}, retry={"enabled": False})
    tenant.integration(
        "tokens",
        config={},
        instance="tokens",
        authType="OAUTH2_CLIENT_CREDENTIALS",
        credentials={"secretRef": {"name": "client"}},
    )
    judged = verdicts(tenant, 2)
    assert {name: found[0] for name, found in judged.items()} == {"calls": "False", "tokens": "False"}, judged
    token = under_siege.caller(tenant.namespace, "edit")
    posted = {"method": "POST", "endpoint": "/here", "data": {"x": 1}}
    for method, path, body in (
        ("POST", f"{HUB}/calls/execute", posted),
        ("POST", f"{HUB}/calls/execute", {"endpoint": "Here"}),
        ("POST", f"{HUB}/calls/batch-execute", {"calls": [posted, {"endpoint": "Here"}]}),
        ("POST", f"{HUB}/tokens/execute", posted),
        ("GET", f"/workspaces/{tenant.namespace}/integrations/calls/widgets/w/data", None),
        ("GET", "/api/v1/integrations/calls/proxy/here", None),
        ("POST", "/api/v1/integrations/calls/proxy/here", posted),
        ("POST", f"{HUB}/calls/test", None),
        ("POST", f"{HUB}/tokens/test", None),
    ):
        assert b"INSIDE" not in under_siege.ask(method, path, token, body).body, path
    assert {asked.path for asked in tenant.corner.asked} >= {"/here", "/me", "/token"}
    assert under_siege.inside.came == []


def test_an_issuer_cannot_send_the_hub_for_keys_inside(under_siege: Siege) -> None:
    issuer = under_siege.issuer
    keys = f"http://127.0.0.1:{under_siege.inside.port}/keys"
    issuer.behave = lambda _: Reply(200, {"issuer": issuer.url, "jwks_uri": keys})
    head, claims = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (
            {"alg": "RS256", "kid": "1"},
            {"iss": issuer.url, "sub": "mallory", "aud": "integration-hub", "exp": 4_000_000_000},
        )
    )
    answer = under_siege.ask("GET", "/api/v1/integrations", f"{head}.{claims}.c2lnbmF0dXJl")
    assert answer.status in (401, 503), answer.body
    assert {asked.path for asked in issuer.asked} == {"/.well-known/openid-configuration"}
    assert under_siege.inside.came == []


# --------------------------------------------------------------------------- helpers


def as_told(found: tuple[str, str, str], why: str) -> bool:
    """Whether it was refused for this reason: a word for how it is written, or for where it leads."""
    status, reason, message = found
    if why in (ILLEGIBLE, TELLTALE):
        return (status, reason) == ("False", why)
    return (status, reason) == ("False", "AddressBlocked") and why in message


def execute(siege: Siege, name: str, token: str) -> Answer:
    return siege.ask("POST", f"{HUB}/{name}/execute", token, {"endpoint": "/"})


def connect(tenant: Tenant, sites: dict[str, str]) -> None:
    """A provider whose address the Integration chooses, and an Integration for each."""
    tenant.provider(
        baseUrl="{{ config.url }}",
        authModes=[{"type": "NONE"}],
        configSchema={"url": {"type": "string", "required": True, "description": "Its address."}},
    )
    tenant.apply(
        *(
            {
                **head_of("Integration", name, tenant.namespace),
                "spec": {
                    "providerRef": {"name": tenant.provider_name},
                    "config": {"url": url},
                    "instance": name,
                    "retry": {"enabled": False},
                },
            }
            for name, url in sites.items()
        )
    )


def verdicts(tenant: Tenant, number: int) -> dict[str, tuple[str, str, str]]:
    """Ready's status, reason and message of every Integration, once each has been judged."""
    found: dict[str, tuple[str, str, str]] = {}

    def judged() -> bool:
        answer = tenant.plane.kubectl("get", "integrations", "-n", tenant.namespace, "-o", "json").stdout
        for each in json.loads(answer)["items"]:
            (ready,) = (c for c in each["status"]["conditions"] if c["type"] == "Ready")
            if ready["status"] != "Unknown":
                found[each["metadata"]["name"]] = (ready["status"], ready["reason"], ready["message"])
        return len(found) == number

    eventually(judged, "every Integration is judged", seconds=PATIENCE)
    return found
