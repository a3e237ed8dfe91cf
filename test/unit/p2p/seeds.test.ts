/** Seeds become addresses: hosts, DNS services, and what cannot be resolved. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { seededRandom } from "../../../src/base/random.ts";
import { formatHostPort } from "../../../src/p2p/address.ts";
import { isSeed, type Resolver, resolveSeeds } from "../../../src/p2p/seeds.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("p2p/seeds");
const silence = new AbortController().signal;

function resolverOf(hosts: Readonly<Record<string, readonly string[]>>): Resolver {
  return {
    addresses: (name) => {
      const found = hosts[name];
      return found === undefined
        ? Promise.reject(new Error(`getaddrinfo ENOTFOUND ${name}`))
        : Promise.resolve(found);
    },
    services: (name) =>
      name === "_muster._tcp.example.org"
        ? Promise.resolve([
            { name: "late.example.org", port: 7702, priority: 20 },
            { name: "early.example.org", port: 7701, priority: 10 },
            { name: "gone.example.org", port: 7703, priority: 5 },
            { name: "/evil", port: 7703, priority: 1 },
          ])
        : Promise.reject(new Error(`querySrv ENOTFOUND ${name}`)),
  };
}

async function resolve(seeds: readonly string[], resolver: Resolver) {
  const deps = { resolver, clock: new VirtualClock(), random: seededRandom(7) };
  const { addresses, failures } = await resolveSeeds(seeds, deps, silence);
  return { addresses: addresses.map(formatHostPort), failures };
}

it("knows a seed when it sees one", () => {
  for (const text of [
    ...["10.0.0.1:7700", "[fd00::1]:7700", "host.example.org:7700"],
    ...["srv:_muster._tcp.example.org", "_muster._tcp.example.org", "srv:muster"],
  ]) {
    assert.ok(isSeed(text), text);
  }
  for (const text of [
    "",
    "host",
    "host:0",
    "host:99999",
    "srv:",
    "srv:a/b",
    "_",
    "_a/b",
    "a b:1",
  ]) {
    assert.not.ok(isSeed(text), text);
  }
});

it("takes all addresses of a name, of both families, each once", async () => {
  const hosts = { "two.example.org": ["10.0.0.1", "fd00::1"], same: ["10.0.0.1"] };
  const { addresses, failures } = await resolve(
    ["two.example.org:7700", "same:7700", "10.0.0.1:7700", "[fd00::2]:7700"],
    resolverOf(hosts),
  );
  assert.equal(addresses.toSorted(), ["10.0.0.1:7700", "[fd00::1]:7700", "[fd00::2]:7700"]);
  assert.equal(failures, []);
});

it("takes hosts and ports of a DNS service by priority, and leaves out what makes no sense", async () => {
  const hosts = { "early.example.org": ["10.0.0.1"], "late.example.org": ["10.0.0.2"] };
  for (const seed of ["srv:_muster._tcp.example.org", "_muster._tcp.example.org"]) {
    const { addresses, failures } = await resolve([seed], resolverOf(hosts));
    assert.equal(addresses, ["10.0.0.1:7701", "10.0.0.2:7702"]);
    assert.equal(failures, []);
  }
});

it("says of each seed that has no address which it is and why, and uses the others", async () => {
  const { addresses, failures } = await resolve(
    ["nowhere:7700", "srv:_x._tcp.nowhere", "empty:7700", "10.0.0.1:7700"],
    resolverOf({ empty: [] }),
  );
  assert.equal(addresses, ["10.0.0.1:7700"]);
  const said = failures.map(({ error }) => `${error.code} ${error.message}`).toSorted();
  assert.is(said.length, 3);
  assert.match(said[0] ?? "", /^SEED_UNRESOLVED .*"empty:7700".*no address/);
  assert.match(said[1] ?? "", /"nowhere:7700": getaddrinfo ENOTFOUND/);
  assert.match(said[2] ?? "", /"srv:_x._tcp.nowhere": querySrv ENOTFOUND/);
});

it("waits no longer than five seconds for name servers that do not answer", async () => {
  const clock = new VirtualClock();
  const resolver = {
    addresses: () => new Promise<never>(() => undefined),
    services: () => Promise.reject(new Error("")),
  };
  const resolving = resolveSeeds(
    ["slow:7700", "10.0.0.1:7700"],
    { resolver, clock, random: seededRandom(7) },
    silence,
  );
  await clock.advance(5000);
  const { addresses, failures } = await resolving;
  assert.equal(addresses.map(formatHostPort), ["10.0.0.1:7700"]);
  assert.is(failures[0]?.seed, "slow:7700");
});

it("takes no more than it can try, however many a name has", async () => {
  const many = Array.from({ length: 500 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
  const hosts = Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((name) => [name, many]));
  const seeds = Object.keys(hosts).map((name, i) => `${name}:${7700 + i}`);
  const { addresses } = await resolve(seeds, resolverOf(hosts));
  assert.is(addresses.length, 256);
});

it.run();
