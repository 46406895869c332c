"""Three tiers in real processes: two counties, a prefecture, a province. What homes record arrives at the top."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.acceptance.test_erasing_served import keys_of, remains
from tests.acceptance.test_photos import photos, take_in

FIELDS = ("sex=female", "registered_on=2024-09-01")
WHY = ("--by", "li", "--ground", "家长申请", "--yes")


def wait_until(holds, within_s: float = 120) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def status(yard, hub: str) -> Any:
    return yard.quick("central-hub", "status", yard / hub, "--json").json()


def start(yard, hub: str, name: str, above: str = "", listen: str = "127.0.0.1:0") -> Any:
    """Serve a hub; made, and joined to the one above, if it is not there."""
    if not (yard / hub).exists():
        yard.quick("central-hub", "init", yard / hub, "--name", name)
        if above:
            words = ("--name", name, "--code", hub, "--as-hub")
            invitation = yard.quick("central-hub", "invite", yard / above, *words).out.split()[-1]
            yard.quick("central-hub", "join", yard / hub, invitation)
    return yard.serve("central-hub", "serve", yard / hub, "--listen", listen, "--forward-every", "0.3")


@pytest.fixture(scope="module")
def yard(shared_yard):
    """The tests share the place: four processes that serve are dear."""
    return shared_yard


@pytest.fixture(scope="module")
def tiers(yard):
    """Province, prefecture and two counties that serve, and a home of the same code in each county."""
    servers = {"hebei": start(yard, "hebei", "河北省")}
    servers["hejian"] = start(yard, "hejian", "河间市", "hebei")
    for county, name in (("qingxi", "清溪县"), ("baihe", "白河县")):
        servers[county] = start(yard, county, name, "hejian")
        home = yard.home(f"home-of-{county}")
        yard.quick("site-node", "join", home, yard.invite(county))
    return servers


def register(yard, county: str, name: str) -> str:
    words = ("record", yard / f"home-of-{county}", "child-registered/1", "--subject", "new", "--by", "w", *FIELDS)
    return json.loads(yard.quick("site-node", *words, f"name={name}").out)["subject"]


def sync(yard, county: str) -> None:
    yard.quick("site-node", "sync", yard / f"home-of-{county}")


def ids(yard, program: str, folder: str) -> set[str]:
    return {one["id"] for one in yard.quick(program, "children", yard / folder, "--json").json()["children"]}


def require_all_above(yard) -> None:
    """Every hub that joined another has that one's receipt for everything, and every hub verifies."""
    for hub in ("qingxi", "baihe", "hejian", "hebei"):
        if hub != "hebei":
            wait_until(lambda hub=hub: status(yard, hub)["parent"]["waiting"] == 0)
        assert status(yard, hub)["orders_left"] == []
        assert yard.quick("central-hub", "verify", yard / hub, "--json").json()["ok"]


def test_what_homes_record_arrives_at_the_top(tiers, yard, lines_of, write_lines):
    """The province's R01 counts each county's children; the prefecture is killed while it passes them on."""
    for county, code in (("qingxi", "home-01"), ("baihe", "home-02")):
        lines = [line.replace(code, "home-01") for line in lines_of(code, 150)]
        file = write_lines(yard / f"{county}.jsonl", lines)
        yard.quick("site-node", "import", yard / f"home-of-{county}", file)
    hejian = tiers["hejian"]
    sync(yard, "qingxi")
    wait_until(lambda: status(yard, "hejian")["entries"] > 0)
    hejian.kill()
    sync(yard, "baihe")
    tiers["hejian"] = start(yard, "hejian", "河间市", listen=f"127.0.0.1:{hejian.port}")
    entries = sum(status(yard, county)["entries"] for county in ("qingxi", "baihe"))
    assert entries >= 300
    wait_until(lambda: status(yard, "hebei")["entries"] == entries)

    def register(hub: str) -> dict:
        return yard.quick("central-hub", "report", yard / hub, "R01", "--json").json()["figures"]["children"]

    counties = {county: register(county)["value"] for county in ("baihe", "qingxi")}
    top = register("hebei")
    assert all(counties.values())
    assert top["value"] == sum(counties.values())
    assert top["by"]["home"] == {f"hejian/{county}/home-01": count for county, count in counties.items()}
    assert top["by"]["county"] == {f"hejian/{county}": count for county, count in counties.items()}
    require_all_above(yard)
    for county in counties:
        (home,) = status(yard, county)["homes"]
        assert home["held"] == home["held_above"] >= 150
    page = tiers["hebei"].page()[0]
    assert "清溪县" in page
    assert "hejian/baihe/home-01" in page
    assert "河间市已收到" in tiers["qingxi"].page()[0]


def test_what_a_county_or_the_province_erases_is_erased_on_every_tier(tiers, yard):
    """A county's order is carried out above it, the province's order down to the home; all logs still verify."""
    named = {county: register(yard, county, f"{county} 王小雨") for county in ("qingxi", "baihe")}
    kept = register(yard, "qingxi", "李明")
    sync(yard, "qingxi")
    sync(yard, "baihe")
    everybody = {*named.values(), kept}
    wait_until(lambda: ids(yard, "central-hub", "hebei") >= everybody)
    yard.quick("central-hub", "erase", yard / "qingxi", named["qingxi"], *WHY)
    yard.quick("central-hub", "erase", yard / "hebei", named["baihe"], *WHY)
    for hub, left in (("hejian", {kept}), ("hebei", {kept}), ("qingxi", {kept}), ("baihe", set())):
        wait_until(lambda hub=hub, left=left: ids(yard, "central-hub", hub) & everybody == left)
    for county, left in (("qingxi", {kept}), ("baihe", set())):
        sync(yard, county)
        assert ids(yard, "site-node", f"home-of-{county}") & everybody == left
        assert "王小雨" not in tiers[county].page()[0]
    require_all_above(yard)


def test_what_a_home_erases_is_erased_wherever_it_came(tiers, yard):
    """The home that a child moved to erases it: gone from the home before, the county and both tiers above it."""
    second = yard.home("second", "home-02")
    yard.quick("site-node", "join", second, yard.invite("qingxi", "home-02"))
    child = register(yard, "qingxi", "金丝雀小明")
    strange = register(yard, "qingxi", "周小满")
    record = ("--subject", child, "--by", "w")
    first = yard / "home-of-qingxi"
    yard.quick("site-node", "record", first, "child-transfer-requested/1", *record, "to_home=home-02", "on=2025-04-01")
    sync(yard, "qingxi")
    yard.quick("site-node", "record", second, "child-transfer-accepted/1", *record, "on=2025-04-02")
    for _ in range(2):
        yard.quick("site-node", "sync", second)
        sync(yard, "qingxi")
    everywhere = [second, first, *(yard / hub for hub in ("qingxi", "hejian", "hebei"))]
    wait_until(lambda: child in ids(yard, "central-hub", "hebei"))
    assert child in ids(yard, "site-node", "second")
    keys = {key for folder in everywhere for key in keys_of(folder, child)}
    assert all(remains(folder, *keys) for folder in everywhere)

    yard.run("site-node", "erase", second, child, *WHY)
    yard.run("site-node", "erase", second, strange, *WHY)  # it never had anything of that one
    yard.quick("site-node", "sync", second)
    wait_until(lambda: child not in ids(yard, "central-hub", "qingxi"))
    sync(yard, "qingxi")
    for folder in everywhere:
        wait_until(lambda folder=folder: remains(folder, *keys) == [])
    wait_until(lambda: status(yard, "qingxi")["parent"]["waiting"] == 0)
    for hub in ("qingxi", "hejian", "hebei"):
        assert strange in ids(yard, "central-hub", hub)
        assert {one["subject"] for one in status(yard, hub)["orders_left"]} == {strange.replace("-", "")}
        assert yard.quick("central-hub", "verify", yard / hub, "--json").json()["ok"]
    assert strange in ids(yard, "site-node", "home-of-qingxi")
    for home in (first, second):
        assert yard.quick("site-node", "verify", home, "--json").json()["ok"]


def test_photographs_arrive_at_the_top(tiers, yard):
    """Above the county as its home signed them, and gone everywhere with the child whom they show."""
    home = yard / "home-of-baihe"
    child, kept = register(yard, "baihe", "陈小禾"), register(yard, "baihe", "陈小麦")
    names = {one: take_in(yard, home, seed, one) for seed, one in enumerate((child, kept))}
    sync(yard, "baihe")
    hubs = ("baihe", "hejian", "hebei")

    def names_at(hub):
        return {one["name"] for one in photos(yard, "central-hub", yard / hub)}

    for hub in hubs:
        for name in names.values():
            words = ("photo-out", yard / hub, name, yard / f"{name}-{hub}.jpg")
            wait_until(lambda words=words: yard.quick("central-hub", *words, code=None).code == 0)
    assert len({(yard / f"{names[kept]}-{hub}.jpg").read_bytes() for hub in hubs}) == 1
    assert names_at("qingxi") & set(names.values()) == set()
    yard.run("site-node", "erase", home, child, *WHY)
    sync(yard, "baihe")
    for hub in hubs:
        wait_until(lambda hub=hub: names_at(hub) & set(names.values()) == {names[kept]})
        assert yard.quick("central-hub", "verify", yard / hub, "--json").json()["ok"]


def test_what_is_refused_of_hubs(yard):
    """Without a parent there is nothing to pass on; no hub joins itself or what is below it; no home is a hub."""
    for hub in ("upper", "lower"):
        yard.quick("central-hub", "init", yard / hub, "--name", hub)
    assert "no hub above" in yard.quick("central-hub", "sync", yard / "upper", code=6).err
    as_hub = ("--name", "n", "--as-hub", "--code")
    words = yard.quick("central-hub", "invite", yard / "upper", *as_hub, "lower").out.split()[-1]
    assert "itself" in yard.quick("central-hub", "join", yard / "upper", words, code=6).err
    server = yard.serve("central-hub", "serve", yard / "upper", "--listen", "127.0.0.1:0")
    yard.quick("central-hub", "join", yard / "lower", words, "--hub", server.url)
    home = yard.home("nobody", "other")
    other = yard.quick("central-hub", "invite", yard / "upper", *as_hub, "other").out.split()[-1]
    assert "for a hub" in yard.quick("site-node", "join", home, other, code=6).err
    assert "waiting" in yard.quick("central-hub", "sync", yard / "lower").out
    assert server.stop() == 0
    assert yard.quick("central-hub", "sync", yard / "lower", code=5).err
    words = yard.quick("central-hub", "invite", yard / "lower", *as_hub, "upper").out.split()[-1]
    assert "lower belongs to this hub" in yard.quick("central-hub", "join", yard / "upper", words, code=6).err
