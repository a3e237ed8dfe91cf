/** Discovery on the local network: what is said, what is understood, and when, on a network in memory. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { silentLogger } from "../../../src/base/logger.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { formatHostPort } from "../../../src/p2p/address.ts";
import { MdnsDiscovery, type Nic } from "../../../src/p2p/mdns.ts";
import {
  announcement,
  instancesIn,
  type MdnsRecord,
  serviceName,
} from "../../../src/p2p/mdns-records.ts";
import { type MdnsListener } from "../../../src/p2p/mdns-socket.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("p2p/mdns");
const clusterId = "0123456789abcdef0123456789abcdef";
const service = serviceName(clusterId);

/** One segment of a network: everybody hears everything, but not themselves. */
class Segment {
  readonly clock = new VirtualClock();
  readonly sent: string[] = [];
  readonly #seats = new Map<string, MdnsListener>();

  agent(label: string, nics: readonly Nic[], interfaces: readonly string[] = []): MdnsDiscovery {
    return new MdnsDiscovery(
      { interfaces, label },
      {
        clock: this.clock,
        random: seededRandom(label.length),
        logger: silentLogger,
        nics: () => nics,
        open: (address, listener) => {
          this.#seats.set(address, listener);
          const others = (): MdnsListener[] =>
            [...this.#seats].filter(([seat]) => seat !== address).map(([, other]) => other);
          return {
            ask: (name) => {
              this.sent.push(`${this.clock.monotonicMs()} ${address} asks`);
              for (const other of others()) other.asked(name);
            },
            tell: (records) => {
              this.sent.push(`${this.clock.monotonicMs()} ${address} tells`);
              for (const other of others()) other.told(records);
            },
            close: () => {
              this.#seats.delete(address);
              return Promise.resolve();
            },
          };
        },
      },
    );
  }

  get seats(): readonly string[] {
    return [...this.#seats.keys()];
  }

  count(what: "asks" | "tells", address: string): number {
    return this.sent.filter((line) => line.endsWith(`${address} ${what}`)).length;
  }
}

const nic = (address: string, name = "eth0"): Nic => ({ name, address, isInternal: false });
const on = (port: number) => (host: string) => ({ host, port });

it("scopes the service to the cluster and keeps to DNS-SD's limit of 15 characters", () => {
  assert.is(service, "_muster-01234567._tcp.local");
  assert.ok("muster-01234567".length <= 15);
});

it("is found by those who know no more than the cluster's name", async () => {
  const segment = new Segment();
  const member = segment.agent("member", [nic("10.0.0.1")]);
  const founder = segment.agent("founder", [nic("10.0.0.2")]);
  const other = segment.agent("other", [nic("10.0.0.3")]);
  member.use(clusterId, "prod");
  founder.useName("prod");
  other.useName("test");
  for (const one of [member, founder, other]) await one.start();
  member.announce(on(7700));
  for (const one of [founder, other]) one.search(true);
  await segment.clock.advance(1500);
  assert.equal(founder.addresses().map(formatHostPort), ["10.0.0.1:7700"]);
  assert.equal(other.addresses(), []);
  founder.use("f".repeat(32));
  assert.equal(founder.addresses(), [], "of another cluster");
  for (const one of [member, founder, other]) await one.stop();
});

it("reads back what it says: IPv4, IPv6, a host name, a good-bye", () => {
  for (const host of ["10.0.0.1", "fd00::1", "n1.example.org"]) {
    const said = announcement(service, { label: "abc", address: { host, port: 7700 } });
    const heard = [{ label: "abc", address: { host, port: 7700 }, ttlMs: 120_000 }];
    assert.equal(instancesIn(service, said), heard);
  }
  const address = { host: "10.0.0.1", port: 7700 };
  assert.is(
    instancesIn(service, announcement(service, { label: "a", address }, true))[0]?.ttlMs,
    0,
  );
});

it("hears nothing of other clusters, and leaves out what makes no sense", () => {
  const address = { host: "10.0.0.1", port: 7700 };
  const other = serviceName("fedcba98".padEnd(32, "0"));
  assert.equal(instancesIn(service, announcement(other, { label: "a", address })), []);
  const srv = (name: string, target: string, port: number): MdnsRecord => ({
    type: "SRV",
    name,
    ttl: 120,
    data: { target, port },
  });
  for (const bad of [
    srv(`a.${service}`, "nowhere.local", 7700),
    srv(`a.${service}`, "10.0.0.1", 0),
    srv(`a.${service}`, "evil/tcp", 7700),
    srv(service, "10.0.0.1", 7700),
    srv(`a b.${service}`, "10.0.0.1", 7700),
    srv(`a.${service}`, "", 7700),
  ]) {
    assert.equal(instancesIn(service, [bad]), [], JSON.stringify(bad));
  }
  const flood = Array.from({ length: 1000 }, (_, i) => srv(`a${i}.${service}`, `10.0.0.1`, 7700));
  assert.ok(instancesIn(service, flood).length <= 64);
});

it("finds a member that announces, and tells whoever waits", async () => {
  const segment = new Segment();
  const member = segment.agent("member", [nic("10.0.0.1")]);
  const joiner = segment.agent("joiner", [nic("10.0.0.2")]);
  let news = 0;
  joiner.onFound(() => (news += 1));
  for (const agent of [member, joiner]) {
    agent.use(clusterId);
    await agent.start();
  }
  member.announce(on(7700));
  joiner.search(true);
  await segment.clock.advance(2000);
  assert.equal(joiner.addresses().map(formatHostPort), ["10.0.0.1:7700"]);
  assert.is(news, 1);
  assert.equal(member.addresses(), []);
  await member.stop();
  assert.equal(joiner.addresses(), [], "it said good-bye");
  await joiner.stop();
});

it("asks at once, then ever more rarely, and not at all when nobody searches", async () => {
  const segment = new Segment();
  const joiner = segment.agent("joiner", [nic("10.0.0.2")]);
  joiner.use(clusterId);
  await joiner.start();
  await segment.clock.advance(60_000);
  assert.is(segment.count("asks", "10.0.0.2"), 0);
  joiner.search(true);
  await segment.clock.advance(150);
  assert.is(segment.count("asks", "10.0.0.2"), 1);
  await segment.clock.advance(10_000);
  const early = segment.count("asks", "10.0.0.2");
  assert.ok(early >= 4 && early <= 5, `${early} questions in 10 s`);
  await segment.clock.advance(300_000);
  const late = segment.count("asks", "10.0.0.2") - early;
  assert.ok(late >= 9 && late <= 13, `${late} questions in 5 min`);
  joiner.search(false);
  await segment.clock.advance(60_000);
  assert.is(segment.count("asks", "10.0.0.2"), early + late);
  await joiner.stop();
});

it("answers at most once a second however often it is asked", async () => {
  const segment = new Segment();
  const member = segment.agent("member", [nic("10.0.0.1")]);
  member.use(clusterId);
  await member.start();
  member.announce(on(7700));
  const asker = segment.agent("asker", [nic("10.0.0.2")]);
  asker.use(clusterId);
  await asker.start();
  for (let round = 0; round < 100; round += 1) {
    asker.search(true);
    await segment.clock.advance(130);
    asker.search(false);
  }
  const told = segment.count("tells", "10.0.0.1");
  assert.ok(told >= 8 && told <= 15, `${told} answers in 13 s`);
  await asker.stop();
  await member.stop();
});

it("uses all interfaces but loopback, or the chosen ones by name or address, and follows their coming and going", async () => {
  const segment = new Segment();
  const nics = [
    nic("10.0.0.1"),
    nic("10.9.0.1", "eth1"),
    { ...nic("127.0.0.1", "lo"), isInternal: true },
  ];
  const all = segment.agent("all", nics);
  await all.start();
  assert.equal(segment.seats, ["10.0.0.1", "10.9.0.1"]);
  nics.splice(0, 1);
  await segment.clock.advance(6000);
  assert.equal(segment.seats, ["10.9.0.1"]);
  nics.push(nic("10.8.0.1", "eth2"));
  await segment.clock.advance(6000);
  assert.equal(segment.seats, ["10.9.0.1", "10.8.0.1"]);
  await all.stop();
  assert.equal(segment.seats, []);
  for (const chosen of ["lo", "127.0.0.1"]) {
    const one = segment.agent("one", nics, [chosen]);
    await one.start();
    assert.equal(segment.seats, ["127.0.0.1"]);
    await one.stop();
  }
});

it("remembers at most 256 addresses, and none beyond its time", async () => {
  const segment = new Segment();
  const joiner = segment.agent("joiner", [nic("10.0.0.2")]);
  const liar = segment.agent("liar", [nic("10.0.0.6")]);
  joiner.use(clusterId);
  liar.use(clusterId);
  await joiner.start();
  await liar.start();
  for (let port = 1; port <= 300; port += 1) {
    liar.announce(on(port));
    await segment.clock.advance(1100);
  }
  assert.ok(joiner.addresses().length <= 256);
  await segment.clock.advance(121_000);
  assert.equal(joiner.addresses(), []);
  await liar.stop();
  await joiner.stop();
});

it.run();
