"""URL rules: one reading of every URL, or none."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_hub.domain.url import Target, UrlProblem, join, parse, with_query


def tenant(url: str) -> Target | UrlProblem:
    return parse(url, trust="tenant", namespace="demo")


def product(url: str) -> Target | UrlProblem:
    return parse(url, trust="product", namespace="demo")


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("https://api.github.com", "https://api.github.com", "/"),
        ("https://api.github.com/", "https://api.github.com", "/"),
        ("HTTPS://API.GitHub.com:443/User", "https://api.github.com", "/User"),
        ("https://api.example.com:8443/a/b?c=d&e=%0A", "https://api.example.com:8443", "/a/b?c=d&e=%0A"),
        ("https://example.com?x=1", "https://example.com", "/?x=1"),
        ("https://example.com./v1", "https://example.com", "/v1"),
        ("https://example.com/a//b", "https://example.com", "/a//b"),
        ("https://example.com/users/@me", "https://example.com", "/users/@me"),
        ("https://8.8.8.8/dns", "https://8.8.8.8", "/dns"),
        ("https://[2606:4700:0::1111]:8443/", "https://[2606:4700::1111]:8443", "/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example", "/"),
        ("https://under_score.example.com/", "https://under_score.example.com", "/"),
    ],
)
def test_an_outside_https_url_passes_as_it_is_written(url: str, origin: str, path: str) -> None:
    target = tenant(url)
    assert isinstance(target, Target), target
    assert (target.origin, target.path, target.needs_listing) == (origin, path, "")


ODD_IPV4 = [
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "0x7f.1",
    "127.0.0.0x1",
    "127.0.0.01",
    "127.0.0.1.",
    "1.2.3.4.5",
    "256.256.256.256",
    "example.0x7f",
    "example.1",
    "0",
    "0x",
]
ODD_HOSTS = [
    "１２７.0.0.1",
    "127。0。0。1",
    "ⓛocalhost",
    "[::1",
    "[::1]x",
    "[fe80::1%25eth0]",
    "[fe80::1%eth0]",
    "[127.0.0.1]",
    "[]",
    "::1",
    "a..b",
    ".example.com",
    "-example.com",
    "exa mple.com",
    "example.com%2eevil.com",
    "%31%32%37.0.0.1",
    "example.com\\@evil.com",
    "user@example.com",
    "user:pass@example.com",
    "example.com:80@evil.com",
    "",
    ":443",
    "example.com:",
    "example.com:0",
    "example.com:65536",
    "example.com:+443",
    "example.com:4４3",
    "example.com:443:443",
    "a" * 64 + ".com",
    ("a" * 50 + ".") * 6 + "com",
]


@pytest.mark.parametrize("host", [*ODD_IPV4, *ODD_HOSTS])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_host_that_two_parsers_could_read_in_two_ways_is_refused(host: str, scheme: str) -> None:
    assert isinstance(tenant(f"{scheme}://{host}/"), UrlProblem)
    assert isinstance(product(f"{scheme}://{host}/"), UrlProblem)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "/etc/passwd",
        "https:example.com",
        "https:/example.com",
        "https:///path",
        "ftp://example.com",
        "file:///etc/passwd",
        "gopher://example.com:70/_x",
        "unix:///var/run/docker.sock",
        "javascript://example.com/%0aalert(1)",
        "https://example.com/\r\nHost: evil",
        "https://example.com/\x00",
        "https://example.com/ä",
        "https://example.com/a b",
        "https://example.com/<x>",
        "https://example.com/{{config.x}}",
        "https://example.com/#fragment",
        "https://example.com/a/../b",
        "https://example.com/a/./b",
        "https://example.com/..",
        "https://example.com/%2e%2e/b",
        "https://example.com/.%2E",
        "https://example.com/a\\b",
        "https://example.com/a%5cb",
        "https://example.com/a%0d%0ab",
        "https://example.com/a%00",
        "https://example.com/a%zz",
        "https://example.com/a%",
        "https://example.com/?q=%",
        " https://example.com",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_a_url_outside_the_rules_is_refused(url: str) -> None:
    assert isinstance(tenant(url), UrlProblem)
    assert isinstance(product(url), UrlProblem)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/",
        "https://example.com:22/",
        "https://example.com:25/",
        "https://intranet/",
        "https://localhost/",
        "https://db.internal/",
        "https://printer.local/",
        "https://api.demo.svc/",
        "https://api.demo.svc.cluster.local/",
        "https://api.demo.svc.other.domain/",
        "https://x.localhost/",
    ],
)
def test_some_outside_urls_need_the_administrators_listing(url: str) -> None:
    target = tenant(url)
    assert isinstance(target, Target)
    assert target.needs_listing


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://flow", "http://flow.demo.svc"),
        ("http://flow:8080/health", "http://flow.demo.svc:8080"),
        ("http://flow.demo.svc:8080/health", "http://flow.demo.svc:8080"),
        ("http://Flow.Demo.SVC.cluster.local./health", "http://flow.demo.svc"),
        ("https://flow:8443", "https://flow.demo.svc:8443"),
        ("http://7even", "http://7even.demo.svc"),
    ],
)
def test_a_product_is_a_service_of_its_own_namespace(url: str, origin: str) -> None:
    target = product(url)
    assert isinstance(target, Target), target
    assert (target.origin, target.needs_listing) == (origin, "")


@pytest.mark.parametrize(
    "url",
    [
        "http://flow.other.svc",
        "http://flow.other.svc.cluster.local",
        "http://flow.other",
        "http://flow.demo",
        "http://pod.flow.demo.svc",
        "http://kubernetes.default.svc",
        "http://10.0.0.1",
        "http://127.0.0.1:8080",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:8080",
        "https://product.example.com/health",
        "http://localhost.evil.com",
    ],
)
def test_anything_else_of_a_product_needs_the_administrators_listing(url: str) -> None:
    target = product(url)
    assert isinstance(target, Target)
    assert target.needs_listing


def test_a_namespace_of_the_same_beginning_is_another_namespace() -> None:
    target = product("http://flow.demo.svc.evil.com/")
    assert isinstance(target, Target)
    assert target.needs_listing


def test_another_cluster_domain_can_be_set() -> None:
    target = parse(
        "http://flow.demo.svc.corp.k8s", trust="product", namespace="demo", cluster_domain="corp.k8s"
    )
    assert isinstance(target, Target)
    assert (target.host, target.needs_listing) == ("flow.demo.svc", "")


def test_a_refusal_never_repeats_what_may_be_a_secret() -> None:
    for url in (
        "https://u:s3cret@example.com/",
        "https://example.com/?key=s3cret#x",
        "https://example.com/ ?k=s3cret",
    ):
        problem = tenant(url)
        assert isinstance(problem, UrlProblem)
        assert "s3cret" not in problem.message


def test_a_target_is_shown_without_its_query() -> None:
    assert str(tenant("https://example.com/a?key=s3cret")) == "https://example.com/a"


@pytest.mark.parametrize(
    ("base", "path", "joined"),
    [
        ("https://h/api/v4", "/user", "https://h/api/v4/user"),
        ("https://h/api/v4/", "/user?x=1", "https://h/api/v4/user?x=1"),
        ("https://h", "/", "https://h/"),
        ("https://h/api", "/api/projects", "https://h/api/api/projects"),
        ("https://h/api", "", "https://h/api"),
    ],
)
def test_a_path_is_appended_to_the_base_as_written(base: str, path: str, joined: str) -> None:
    assert join(base, path) == joined


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("https://h", "user"),
        ("https://h", "//evil.com/"),
        ("https://h", "@evil.com"),
        ("https://h?x", "/a"),
        ("https://h#", "/"),
    ],
)
def test_a_join_that_could_leave_the_host_is_refused(base: str, path: str) -> None:
    assert isinstance(join(base, path), UrlProblem)


def test_query_parameters_are_encoded_and_come_last() -> None:
    assert with_query("https://h/a?b=c", {"key": "x&y=z /ü"}) == "https://h/a?b=c&key=x%26y%3Dz%20%2F%C3%BC"
    assert with_query("https://h/a", {"k": "v"}) == "https://h/a?k=v"
    assert with_query("https://h/a", {}) == "https://h/a"


URL_LIKE = st.text(alphabet="htps:/@.?#[]%\\0123456789abcdefx-_ \t\n\r\x00ä１:", max_size=60).map(
    lambda t: f"https://{t}"
)


@given(URL_LIKE | st.text(max_size=80))
def test_what_passes_is_read_alike_by_another_parser(url: str) -> None:
    for target in (tenant(url), product(url)):
        if isinstance(target, Target):
            other = urlsplit(f"{target.origin}{target.path}")
            assert other.hostname == target.host
            assert (other.port or {"https": 443, "http": 80}[other.scheme]) == target.port
            assert other.username is None
            assert not other.fragment


@given(st.from_regex(r"/[!-~]{0,40}", fullmatch=True))
def test_no_path_changes_the_host(path: str) -> None:
    joined = join("https://api.example.com/v1", path)
    if isinstance(joined, str):
        target = tenant(joined)
        if isinstance(target, Target):
            assert target.host == "api.example.com"
            assert target.path.startswith("/v1/")


def test_what_the_administrator_names_may_lie_inside_but_is_not_read_in_the_clear() -> None:
    inside = parse("https://passport.suite.svc:8443/keys", trust="administrator", namespace="")
    assert isinstance(inside, Target)
    assert not inside.needs_listing
    clear = parse("http://passport.suite.svc/keys", trust="administrator", namespace="")
    assert isinstance(clear, Target)
    assert "https" in clear.needs_listing
