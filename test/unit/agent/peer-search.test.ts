/** How an agent that knows too few members looks for more: on an inventory and virtual time. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PeerSearch } from "../../../src/agent/peer-search.ts";
import { abortReason } from "../../../src/base/clock.ts";
import { type PeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { formatHostPort, type HostPort } from "../../../src/p2p/address.ts";
import { cluster, peer } from "../../support/inventory.ts";
import { memberView } from "../../support/member-view.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("agent/peer-search");
const periodMs = 30_000;

class Scene {
  readonly clock = new VirtualClock();
  readonly dialed: string[] = [];
  readonly contacts: string[] = [];
  readonly searching: boolean[] = [];
  readonly heard: HostPort[] = [];
  readonly hosts = new Map<string, readonly string[]>();
  /** Who listens where. */
  readonly listening = new Map<string, PeerId>();
  readonly members = new Set<PeerId>(["n1", "n2", "n3", "n4", "n5"].map(peer));
  alive = ["n1"];
  hang = false;
  #news: () => void = () => undefined;

  search(seeds: readonly string[], nodes = ["n1", "n2", "n3", "n4", "n5"]): PeerSearch {
    return new PeerSearch(
      { seeds, periodMs, minRetryMs: 1000, maxRetryMs: 30_000 },
      {
        self: peer("n1"),
        view: cluster(...nodes).view,
        gossip: {
          members: () => this.alive.map((name) => memberView({ name, address: `${name}:7700` })),
          contact: (peers) => void peers.forEach(({ id }) => this.contacts.push(id)),
        },
        resolver: {
          addresses: (name) => {
            const found = this.hosts.get(name);
            return found === undefined
              ? Promise.reject(new Error("ENOTFOUND"))
              : Promise.resolve(found);
          },
          services: () => Promise.reject(new Error("ENOTFOUND")),
        },
        discovery: {
          addresses: () => this.heard,
          onFound: (listener) => {
            this.#news = listener;
            return () => undefined;
          },
          search: (on) => void this.searching.push(on),
        },
        dial: (address, signal) => this.#dial(formatHostPort(address), signal),
        isMember: (id) => this.members.has(id),
        clock: this.clock,
        random: seededRandom(1),
        logger: silentLogger,
      },
    );
  }

  hear(address: HostPort): void {
    this.heard.push(address);
    this.#news();
  }

  #dial(address: string, signal: AbortSignal): Promise<PeerId> {
    this.dialed.push(address);
    const found = this.listening.get(address);
    if (found !== undefined) return Promise.resolve(found);
    if (!this.hang) return Promise.reject(new Error("ECONNREFUSED"));
    return new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(abortReason(signal)));
    });
  }
}

it("dials every address of the seeds at once, and names to gossip the member that answers", async () => {
  const scene = new Scene();
  scene.hosts.set("seed", ["10.0.0.2", "10.0.0.3"]);
  scene.listening.set("10.0.0.3:7700", peer("n3"));
  const search = scene.search(["seed:7700", "10.0.0.9:7701"]);
  await search.start();
  await scene.clock.advance(1);
  const expected = ["10.0.0.2:7700", "10.0.0.3:7700", "10.0.0.9:7701"];
  assert.equal(scene.dialed.toSorted(), expected);
  assert.equal(scene.contacts, [peer("n3")]);
  await search.stop();
});

it("does not take a stranger who listens at a seed for a member", async () => {
  const scene = new Scene();
  scene.listening.set("10.0.0.9:7701", peer("x"));
  const search = scene.search(["10.0.0.9:7701"]);
  await search.start();
  await scene.clock.advance(1);
  assert.equal([scene.dialed, scene.contacts], [["10.0.0.9:7701"], []]);
  await search.stop();
});

it("tries for ever, with growing pauses of at most half a minute", async () => {
  const scene = new Scene();
  const search = scene.search(["10.0.0.9:7701"]);
  await search.start();
  await scene.clock.advance(10_000);
  const early = scene.dialed.length;
  assert.ok(early >= 4 && early <= 6, `${early} dials in 10 s`);
  await scene.clock.advance(600_000);
  const late = scene.dialed.length - early;
  assert.ok(late >= 19 && late <= 42, `${late} dials in 10 min`);
  await search.stop();
});

it("asks the name again each time: it may stand for somebody else now", async () => {
  const scene = new Scene();
  const search = scene.search(["seed:7700"]);
  await search.start();
  await scene.clock.advance(1);
  assert.equal(scene.dialed, []);
  scene.hosts.set("seed", ["10.0.0.2"]);
  await scene.clock.advance(2000);
  assert.is(scene.dialed[0], "10.0.0.2:7700");
  await search.stop();
});

it("stops at three members, or all there are, and begins again when they are lost", async () => {
  const scene = new Scene();
  scene.alive = ["n1", "n2", "n3", "n4"];
  const search = scene.search(["10.0.0.9:7701"]);
  await search.start();
  await scene.clock.advance(periodMs * 3);
  assert.equal(scene.dialed, []);
  scene.alive = ["n1", "n2", "n3"];
  await scene.clock.advance(periodMs + 1);
  assert.ok(scene.dialed.length > 0);
  assert.equal([...new Set(scene.searching)], [false, true]);
  await search.stop();
  const pair = new Scene();
  pair.alive = ["n1", "n2"];
  const none = pair.search(["10.0.0.9:7701"], ["n1", "n2"]);
  await none.start();
  await pair.clock.advance(periodMs * 3);
  assert.equal(pair.dialed, []);
  await none.stop();
});

it("dials at once what discovery hears of, and never a member that is up", async () => {
  const scene = new Scene();
  scene.alive = ["n1", "n2"];
  const search = scene.search(["n1:7700", "n2:7700"]);
  scene.hosts.set("n1", ["10.0.0.1"]);
  await search.start();
  await scene.clock.advance(20_000);
  scene.dialed.splice(0);
  scene.listening.set("10.0.0.4:7700", peer("n4"));
  scene.hear({ host: "10.0.0.4", port: 7700 });
  scene.hear({ host: "n2", port: 7700 });
  await scene.clock.advance(1);
  assert.ok(scene.dialed.includes("10.0.0.4:7700"), scene.dialed.join(" "));
  assert.not.ok(scene.dialed.includes("n2:7700"), "up already");
  assert.equal(scene.contacts, [peer("n4")]);
  await search.stop();
});

it("ends while an address is being dialed", async () => {
  const scene = new Scene();
  scene.hang = true;
  const search = scene.search(["10.0.0.9:7701"]);
  await search.start();
  await scene.clock.advance(1);
  assert.is(scene.dialed.length, 1);
  await search.stop();
});

it.run();
