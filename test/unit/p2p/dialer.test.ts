/** Dialing on virtual time, against a network that is a function. */
import { type Connection } from "@libp2p/interface";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { errorCode } from "../../../src/base/errors.ts";
import { asPeerId } from "../../../src/base/ids.ts";
import { seededRandom } from "../../../src/base/random.ts";
import { Dialer } from "../../../src/p2p/dialer.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const it = suite("dialer");
const peer = asPeerId("12D3KooWRxBP92VqQBcSzxfmKF9v1Q4m6Ym6vBmzcAhjeTYs7vDv");
const smaller = asPeerId(`${peer.slice(0, -1)}a`);
const larger = asPeerId(`${peer.slice(0, -1)}z`);
const never = new AbortController().signal;

/** A dialer whose dials are listed with their time, and do what `answer` does. */
function scene(
  answer: (addresses: readonly string[]) => Promise<Connection>,
  supervised: readonly string[] = [],
  self = smaller,
) {
  const clock = new VirtualClock();
  const dials: { readonly at: number; readonly addresses: readonly string[] }[] = [];
  const failures: string[] = [];
  const open: { connection: Connection | null } = { connection: null };
  const dialer = new Dialer(
    { self, timeoutMs: 6_000, minBackoffMs: 100, maxBackoffMs: 5_000 },
    {
      clock,
      random: seededRandom(1),
      dial: (multiaddrs, signal) => {
        const addresses = multiaddrs.map((address) => address.toString());
        dials.push({ at: clock.monotonicMs(), addresses });
        const { promise, reject } = Promise.withResolvers<never>();
        signal.addEventListener("abort", () => reject(signal.reason as Error));
        return Promise.race([answer(addresses), promise]);
      },
      connected: () => open.connection,
      failed: (_peer, how) => failures.push(how),
      isGone: (address) => Promise.resolve(supervised.includes(address)),
    },
  );
  return { clock, dials, failures, open, dialer };
}

const connection = {} as Connection;
const connected = (): Promise<Connection> => Promise.resolve(connection);
const silent = (): Promise<never> => Promise.withResolvers<never>().promise;
const refused = (): Promise<never> =>
  Promise.reject(Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }));

it("dials all addresses of a peer with its id, and ignores texts that are none", async () => {
  const { dialer, dials } = scene(() => Promise.resolve(connection));
  dialer.setAddresses(peer, ["10.0.0.1:1", "nonsense", "[fd00::1]:2"]);
  assert.is(await dialer.dial(peer, never), connection);
  const expected = [`/ip4/10.0.0.1/tcp/1/p2p/${peer}`, `/ip6/fd00::1/tcp/2/p2p/${peer}`];
  assert.equal(dials, [{ at: 0, addresses: expected }]);
});

it("makes one attempt for all who ask at once", async () => {
  const { dialer, dials } = scene(() => Promise.resolve(connection));
  dialer.setAddresses(peer, ["10.0.0.1:1"]);
  await Promise.all([dialer.dial(peer, never), dialer.dial(peer, never)]);
  assert.is(dials.length, 1);
});

it("takes a supervisor's word that the agent is gone for a refusal, at every address", async () => {
  const reset = (): Promise<never> => Promise.reject(new Error("read ECONNRESET"));
  for (const [supervised, how] of [
    [["10.0.0.1:1", "10.0.0.2:1"], "refused"],
    [["10.0.0.1:1"], "timeout"],
  ] as const) {
    const { dialer, failures } = scene(reset, supervised);
    dialer.setAddresses(peer, ["10.0.0.1:1", "10.0.0.2:1"]);
    await dialer.dial(peer, never).catch(() => {});
    assert.equal(failures, [how]);
  }
});

it("dials a peer that answers while more than there are places for are frozen", async () => {
  const { clock, dialer, dials } = scene((addresses) =>
    addresses.some((address) => address.startsWith("/ip4/10.0.1.")) ? silent() : connected(),
  );
  const frozen = Array.from({ length: 200 }, (_, i) => asPeerId(`${peer.slice(0, -3)}${100 + i}`));
  const dialAll = (): void => {
    for (const one of frozen) void dialer.dial(one, never).catch(() => {});
  };
  frozen.forEach((one, i) => dialer.setAddresses(one, [`10.0.1.${i}:1`]));
  dialAll();
  dialer.setAddresses(peer, ["10.0.0.1:1"]);
  let at = -1;
  void dialer.dial(peer, never).then(() => (at = clock.monotonicMs()));
  await clock.advance(1_999);
  assert.is(dials.length, 64, "so many at a time");
  await clock.advance(5_000);
  assert.is(at, 6_000, "three times as many were begun before");
  await clock.advance(20_000);
  const before = clock.monotonicMs();
  dialAll();
  await clock.advance(0);
  const fresh = asPeerId(`${peer.slice(0, -1)}n`);
  dialer.setAddresses(fresh, ["10.0.0.2:1"]);
  void dialer.dial(fresh, never).then(() => (at = clock.monotonicMs()));
  await clock.advance(5_000);
  assert.is(at - before, 2_000, "before those that failed last time");
});

it("gives the place of an attempt back once, and that of one that nobody wants any more", async () => {
  for (const self of [larger, smaller]) {
    const { clock, dialer, dials } = scene(silent, [], self);
    const all = Array.from({ length: 66 }, (_, i) => asPeerId(`${peer.slice(0, -3)}${100 + i}`));
    all.forEach((one, i) => dialer.setAddresses(one, [`10.0.1.${i}:1`]));
    const [asked = peer, last = peer] = all.slice(-2);
    for (const one of all.slice(0, -2)) void dialer.dial(one, never).catch(() => {});
    const answer = dialer.dial(asked, never);
    void dialer.dial(last, never).catch(() => {});
    await clock.advance(0);
    dialer.met(asked, connection);
    assert.is(await answer, connection, "at once, whose id ever is the larger");
    dialer.setAddresses(last, ["10.0.2.1:1"]);
    await clock.advance(7_000); // past the end of what gave its place away before
    assert.is(dials.length, 65, "who made a connection itself is not dialed");
    assert.match(String(dials.at(-1)?.addresses), /10\.0\.2\.1/, "where it is by then");
    dialer.stop();
  }
});

it("waits longer after each failure, with jitter, up to its limit", async () => {
  const { clock, dialer, dials } = scene(refused);
  dialer.setAddresses(peer, ["10.0.0.1:1"]);
  for (let i = 0; i < 10; i += 1) {
    const dialed = dialer.dial(peer, never).catch(errorCode);
    await clock.until(`attempt ${i}`, () => dials.length > i);
    assert.is(await dialed, "PEER_UNREACHABLE");
  }
  const waits = dials.slice(1).map(({ at }, i) => at - (dials[i]?.at ?? 0));
  waits.forEach((wait, i) => {
    const step = Math.min(5_000, 100 * 2 ** i);
    assert.ok(wait >= step / 2 && wait <= step, `wait ${i} was ${wait} of ${step}`);
  });
  assert.is(new Set(waits.slice(-3)).size, 3);
});

it("tells a refusal from silence", async () => {
  const away = Object.assign(new Error("no route"), { code: "EHOSTUNREACH" });
  const gone = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  const mixed = new AggregateError([gone, away]);
  for (const [answer, how] of [
    [refused, "refused"],
    [() => Promise.reject(mixed), "timeout"],
    [() => new Promise<never>(() => {}), "timeout"],
  ] as const) {
    const { clock, dialer, failures } = scene(answer);
    dialer.setAddresses(peer, ["10.0.0.1:1"]);
    const dialed = dialer.dial(peer, never).catch(errorCode);
    await clock.advance(6_001);
    assert.is(await dialed, "PEER_UNREACHABLE");
    assert.equal(failures, [how]);
  }
});

it("goes ahead at once when the peer has a new address or gave a sign of life", async () => {
  for (const help of [
    (dialer: Dialer) => dialer.setAddresses(peer, ["10.0.0.2:1"]),
    (dialer: Dialer) => dialer.forgive(peer),
  ]) {
    const { clock, dialer, dials } = scene(refused);
    dialer.setAddresses(peer, ["10.0.0.1:1"]);
    await dialer.dial(peer, never).catch(() => {});
    const waiting = dialer.dial(peer, never).catch(errorCode);
    await clock.advance(0);
    assert.is(dials.length, 1);
    help(dialer);
    await waiting;
    assert.equal(
      dials.map(({ at }) => at),
      [0, 0],
    );
  }
});

it("does not dial a peer that connected by itself while it waited", async () => {
  const { clock, dialer, dials, open } = scene(refused);
  dialer.setAddresses(peer, ["10.0.0.1:1"]);
  await dialer.dial(peer, never).catch(() => {});
  const waiting = dialer.dial(peer, never);
  await clock.advance(0);
  open.connection = connection;
  dialer.met(peer, connection);
  assert.is(await waiting, connection);
  assert.is(dials.length, 1);
});

it("gives way to a connection of the peer when its own id is the larger one, and only then", async () => {
  for (const [self, gives] of [
    [larger, true],
    [smaller, false],
  ] as const) {
    const { promise, resolve } = Promise.withResolvers<Connection>();
    const { clock, dials, dialer, failures } = scene(() => promise, [], self);
    dialer.setAddresses(peer, ["10.0.0.1:1"]);
    const dialed = dialer.dial(peer, never);
    await clock.until("it dials", () => dials.length > 0);
    const theirs = { theirs: true } as unknown as Connection;
    dialer.met(peer, theirs);
    resolve(connection);
    assert.is(await dialed, gives ? theirs : connection);
    assert.equal(failures, []);
    dialer.met(peer, theirs);
    assert.is(await dialer.dial(peer, never), connection, "a later attempt is another one");
  }
});

it("lets one caller give up without ending the attempt of the others", async () => {
  const { promise, resolve } = Promise.withResolvers<Connection>();
  const { dialer } = scene(() => promise);
  dialer.setAddresses(peer, ["10.0.0.1:1"]);
  const controller = new AbortController();
  const first = dialer.dial(peer, controller.signal).catch(() => "gave up");
  const second = dialer.dial(peer, never);
  controller.abort();
  assert.is(await first, "gave up");
  resolve(connection);
  assert.is(await second, connection);
});

it("says that no address is known, without telling of a failed dial", async () => {
  const { dialer, dials, failures } = scene(refused);
  const error: unknown = await dialer.dial(peer, never).catch((e) => e);
  assert.is(errorCode(error), "PEER_UNREACHABLE");
  assert.match(String(error), "no address is known");
  assert.equal([dials, failures], [[], []]);
});

it("ends attempts and waits when it is stopped", async () => {
  const { dialer } = scene(() => new Promise<never>(() => {}));
  dialer.setAddresses(peer, ["10.0.0.1:1"]);
  const dialed = dialer.dial(peer, never).catch(errorCode);
  dialer.stop();
  assert.is(await dialed, "MESH_STOPPED");
  assert.is(await dialer.dial(peer, never).catch(errorCode), "MESH_STOPPED");
});

it.run();
