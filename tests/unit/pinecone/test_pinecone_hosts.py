from __future__ import annotations

import pytest

from proxy.pinecone.hosts import Names, as_url, checked_template, host_of, index_of, role_of, spread

PORTS = {"control": 80, "data": 81, "data+1": 82, "data.own": 90}


@pytest.mark.parametrize(
    ("index", "slot", "template", "tls", "told"),
    [
        ("a", "data", "", False, "http://10.0.0.1:81"),
        ("a", "data+1", "", False, "http://10.0.0.1:82"),
        ("own", "", "", False, "http://10.0.0.1:90"),
        ("own", "", "{index}.v.test", False, "http://10.0.0.1:90"),
        ("a", "", "", False, "http://a.localhost:81"),
        ("a", "", "{index}.v.test", False, "http://a.v.test:81"),
        ("a", "", "x-{index}.v.test:443", True, "x-a.v.test:443"),
        ("a", "data", "", True, "10.0.0.1:81"),
    ],
)
def test_a_client_is_told_the_address_by_which_it_came_and_the_indexs_port(index, slot, template, tls, told) -> None:
    assert Names(PORTS, template, tls).told(index, "10.0.0.1:80", slot) == told


def test_an_ipv6_address_keeps_its_brackets() -> None:
    assert Names(PORTS, "", False).told("a", "[::1]:80", "data") == "http://[::1]:81"


@pytest.mark.parametrize(
    ("template", "authority", "meant"),
    [
        ("", "images.localhost:81", "images"),
        ("", "127.0.0.1:81", ""),
        ("", "localhost:81", ""),
        ("", ".localhost", ""),
        ("{index}.v.test:443", "Images.V.test", "images"),
        ("{index}.v.test", "a.b.v.test", ""),
        ("x-{index}-y.test", "x-a-y.test:1", "a"),
        ("x-{index}-y.test", "x-y.test", ""),
        ("{index}.v.test", "a.v.test/../b", ""),
    ],
)
def test_a_name_under_the_template_means_an_index_and_nothing_else_does(template, authority, meant) -> None:
    assert Names(PORTS, template, False).meant(authority) == meant


@pytest.mark.parametrize("template", ["no-index.test", "{index}.{index}.test", "http://{index}.test", "{index}.te st"])
def test_a_template_that_names_no_host_is_refused(template) -> None:
    with pytest.raises(ValueError, match="must be a host name"):
        checked_template(template)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("images-abc.svc.aped-4627-b74a.pinecone.io", "https://images-abc.svc.aped-4627-b74a.pinecone.io"),
        ("http://127.0.0.1:5081", "http://127.0.0.1:5081"),
        ("https://x.test/", "https://x.test"),
        ("http://user@x.test", ""),
        ("file:///etc/passwd", ""),
        ("", ""),
    ],
)
def test_a_host_without_a_scheme_means_tls(host, url) -> None:
    assert as_url(host) == url


def test_a_role_holds_the_index_and_its_place() -> None:
    role = role_of("images", "https://images.test")
    assert (index_of(role), host_of(role)) == ("images", "https://images.test")
    assert index_of("data.images") == "images"
    assert [index_of(role) for role in ("data", "data+1", "control")] == ["", "", ""]
    with pytest.raises(KeyError):
        host_of("data.images")


def test_a_range_is_a_role_for_each_port() -> None:
    assert spread({"control": ":1", "data": "[::1]:10-12"}) == {
        "control": ":1",
        "data": "[::1]:10",
        "data+1": "[::1]:11",
        "data+2": "[::1]:12",
    }
    assert spread({"data": "127.0.0.1:10"}) == {"data": "127.0.0.1:10"}
    for wrong in ("h:12-10", "h:1-60000", "h:0-3"):
        with pytest.raises(ValueError, match="range"):
            spread({"data": wrong})
