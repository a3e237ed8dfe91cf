/** Joining, over real hosts, with an authority that a test controls. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { AgentError, errorCode } from "../../../src/base/errors.ts";
import { newUuid, type PeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { joinCluster, type JoinAttempt, type JoinOptions } from "../../../src/p2p/join-client.ts";
import { type JoinAuthority } from "../../../src/p2p/join-server.ts";
import { makeJoinToken } from "../../../src/p2p/join-token.ts";
import { encodeJoin, type JoinAnswer } from "../../../src/p2p/join-wire.ts";
import { Protocol } from "../../../src/p2p/protocols.ts";
import { type HostPort, parseHostPort } from "../../../src/p2p/address.ts";
import { systemResolver } from "../../../src/p2p/seeds.ts";
import { askStanding } from "../../../src/p2p/standing-client.ts";
import { type Standing } from "../../../src/p2p/standing-wire.ts";
import { introduce, withMesh, type TestMesh, type TestNode } from "../../support/mesh.ts";
import { until } from "../../support/until.ts";

const it = suite("join");
const silence = new AbortController().signal;
const plain = { resolver: systemResolver, hints: null };

type AdmitRequest = Parameters<JoinAuthority["admit"]>[0];

class FakeAuthority implements JoinAuthority {
  cluster: string | null;
  readonly verifiers = new Map<string, string>();
  readonly admitted: AdmitRequest[] = [];
  refusal: AgentError | null = null;
  pending: Promise<void> = Promise.resolve();
  /** As many times it cannot tell whether a token exists. */
  unsure = 0;
  readonly standings = new Map<PeerId, Standing>();

  constructor(cluster: string | null) {
    this.cluster = cluster;
  }

  token(tokenId: string): string {
    const clusterId = this.cluster ?? newUuid();
    const { token, verifier } = makeJoinToken({ clusterId, tokenId, expiresAt: null });
    this.verifiers.set(tokenId, verifier);
    return token;
  }

  clusterId(): string | null {
    return this.cluster;
  }

  standingOf(peer: PeerId): Standing {
    return this.standings.get(peer) ?? { standing: "unknown" };
  }

  async verifierOf(tokenId: string): Promise<{ readonly verifier: string } | null> {
    if (this.unsure > 0) {
      this.unsure -= 1;
      throw new AgentError("NO_LEADER", "Whether the token exists cannot be told now.");
    }
    const verifier = this.verifiers.get(tokenId);
    return verifier === undefined ? null : { verifier };
  }

  async admit(request: AdmitRequest): Promise<Omit<JoinAnswer, "reached">> {
    await this.pending;
    if (this.refusal !== null) throw this.refusal;
    this.admitted.push(request);
    const members = [{ id: request.peer, address: request.address, name: request.name }];
    return { clusterId: this.cluster ?? "", clusterName: "test", nodeName: request.name, members };
  }
}

interface Scene {
  readonly mesh: TestMesh;
  readonly authority: FakeAuthority;
  readonly member: TestNode;
  readonly joiner: TestNode;
  join(token: string, more?: Partial<JoinOptions>): Promise<JoinAnswer>;
}

function scene(body: (scene: Scene) => Promise<void>): Promise<void> {
  return withMesh(async (mesh) => {
    const authority = new FakeAuthority(mesh.cluster);
    const member = await mesh.stranger({ authority });
    const joiner = await mesh.stranger({ cluster: null });
    const base = { ...plain, name: "n2", address: "127.0.0.1:7", signal: silence };
    const seeds = [member.host.listenAddress()];
    await body({
      mesh,
      authority,
      member,
      joiner,
      join: (token, more = {}) => joinCluster({ ...base, seeds, token, ...more }, joiner),
    });
  });
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "joined",
    (error: unknown) => errorCode(error) ?? String(error),
  );
}

it("admits an agent that holds a token, under the id that its connection proves", () =>
  scene(async ({ authority, joiner, mesh, join }) => {
    const answer = await join(authority.token("t1"));
    assert.is(answer.clusterId, mesh.cluster);
    assert.is(answer.nodeName, "n2");
    const expected = { peer: joiner.id, name: "n2", address: "127.0.0.1:7", tokenId: "t1" };
    assert.equal(authority.admitted, [expected]);
  }));

it("refuses a token with a wrong secret and one that does not exist in the same way", () =>
  scene(async ({ authority, mesh, join }) => {
    authority.token("t1");
    const made = (tokenId: string): string =>
      makeJoinToken({ clusterId: mesh.cluster, tokenId, expiresAt: null }).token;
    for (const tokenId of ["t1", "unknown"]) {
      const error: unknown = await join(made(tokenId)).catch((e) => e);
      assert.is(errorCode(error), "TOKEN_INVALID");
      assert.match(String(error), "muster token create");
    }
    assert.equal(authority.admitted, []);
  }));

it("asks again where the seed cannot tell whether the token exists", () =>
  scene(async ({ authority, join }) => {
    authority.unsure = 1;
    const attempts: JoinAttempt[] = [];
    await join(authority.token("t1"), { onAttempt: (attempt) => attempts.push(attempt) });
    assert.equal(
      attempts.map(({ error, retryMs }) => [error.code, retryMs !== null]),
      [["NO_LEADER", true]],
    );
  }));

it("ends at once with what the cluster decided: expired, used up, another name, evicted", () =>
  scene(async ({ authority, join }) => {
    const token = authority.token("t1");
    for (const code of ["TOKEN_EXPIRED", "TOKEN_USED", "TOKEN_NAME", "MEMBER_EVICTED"]) {
      authority.refusal = new AgentError(code, "Refused.");
      assert.is(await codeOf(join(token)), code);
    }
  }));

it("ends at once when the seed belongs to another cluster", () =>
  scene(async ({ join }) => {
    const foreign = new FakeAuthority(newUuid()).token("t1");
    assert.is(await codeOf(join(foreign)), "FOREIGN_CLUSTER");
  }));

it("ends at once, without a dial, when the token is malformed", () =>
  scene(async ({ join, joiner, member }) => {
    assert.is(await codeOf(join("mst1.nonsense")), "TOKEN_MALFORMED");
    assert.not.ok(joiner.host.isConnected(member.id));
  }));

it("tries again while there is no leader, and joins when there is one", () =>
  scene(async ({ authority, join }) => {
    const token = authority.token("t1");
    authority.refusal = new AgentError("NO_LEADER", "No leader now.");
    const attempts: JoinAttempt[] = [];
    const answer = await join(token, {
      onAttempt: (attempt) => {
        attempts.push(attempt);
        authority.refusal = null;
      },
    });
    assert.is(answer.nodeName, "n2");
    assert.equal(
      attempts.map(({ error }) => error.code),
      ["NO_LEADER"],
    );
    const [{ retryMs = 0 } = {}] = attempts;
    assert.ok(retryMs !== null && retryMs >= 500 && retryMs <= 1000, String(retryMs));
  }));

it("joins through any seed that works, names included", () =>
  scene(async ({ authority, member, join }) => {
    const [, port = ""] = member.host.listenAddress().split(":");
    const seeds = ["127.0.0.1:1", "no-such-name.invalid:7700", `localhost:${port}`];
    const attempts: JoinAttempt[] = [];
    const onAttempt = (attempt: JoinAttempt): void => void attempts.push(attempt);
    const answer = await join(authority.token("t1"), { seeds, onAttempt });
    assert.is(answer.nodeName, "n2");
    assert.ok(attempts.every(({ retryMs }) => retryMs !== null));
  }));

it("tells the newcomer whether its address can be connected to", () =>
  scene(async ({ authority, member, join }) => {
    const address = member.host.listenAddress();
    assert.ok((await join(authority.token("t1"), { address })).reached);
    assert.not((await join(authority.token("t2"), { address: "127.0.0.1:1" })).reached);
    assert.not((await join(authority.token("t3"), { address: "no-such.invalid:1" })).reached);
  }));

it("says when a round finds no address to join through", () =>
  scene(async ({ authority, join }) => {
    const controller = new AbortController();
    const told: number[] = [];
    const joining = codeOf(
      join(authority.token("t1"), {
        seeds: [],
        signal: controller.signal,
        onNobody: (retryMs) => {
          told.push(retryMs);
          controller.abort(new AgentError("STOPPED", "Stop."));
        },
      }),
    );
    assert.is(await joining, "STOPPED");
    assert.is(told.length, 1);
  }));

it("writes one line in ten seconds about strangers that hang up, with how many", () =>
  withMesh(async (mesh) => {
    const lines: { readonly count?: unknown; readonly text: string }[] = [];
    const write = (data: object, text: string): void => void lines.push({ ...data, text });
    const logger = { ...silentLogger, info: write, warn: write };
    const authority = new FakeAuthority(mesh.cluster);
    const member = await mesh.stranger({ authority, logger });
    const stranger = await mesh.stranger({ cluster: null });
    stranger.host.setAddress(member.id, member.host.listenAddress());
    for (let time = 0; time < 20; time += 1) {
      const stream = await stranger.host.openStream(member.id, Protocol.join, silence);
      stream.abort(new Error("bye"));
    }
    // Whoever comes after them is admitted: they are over by then.
    const options = { ...plain, name: "n2", address: "127.0.0.1:7", signal: silence };
    const seeds = [member.host.listenAddress()];
    await joinCluster({ ...options, seeds, token: authority.token("t1") }, stranger);
    assert.is(brokeOff(lines).length, 1);
    assert.is(brokeOff(lines)[0]?.count, 1);
  }));

function brokeOff<Line extends { readonly text: string }>(lines: readonly Line[]): Line[] {
  return lines.filter(({ text }) => text === "join broke off");
}

it("stops trying when it is told to", () =>
  scene(async ({ authority, join }) => {
    authority.refusal = new AgentError("NO_LEADER", "No leader now.");
    const controller = new AbortController();
    const joining = codeOf(
      join(authority.token("t1"), {
        signal: controller.signal,
        onAttempt: () => controller.abort(new AgentError("STOPPED", "Stop.")),
      }),
    );
    assert.is(await joining, "STOPPED");
  }));

it("never tells its name to a member that cannot prove the token", () =>
  withMesh(async (mesh) => {
    const heard: Buffer[] = [];
    const frame = encodeJoin({ nonce: Buffer.alloc(32), proof: Buffer.alloc(32) });
    const impostor = await mesh.stranger({
      prepare: ({ host }) =>
        host.handle(Protocol.join, (stream) => {
          stream.addEventListener("message", ({ data }) => {
            heard.push(Buffer.from(data.subarray()));
            stream.send(Buffer.concat([Buffer.of(0, 0, 0, frame.byteLength), frame]));
          });
          stream.addEventListener("remoteCloseWrite", () => void stream.close());
        }),
    });
    const joiner = await mesh.stranger({ cluster: null });
    const token = new FakeAuthority(mesh.cluster).token("t1");
    const joining = joinCluster(
      {
        ...plain,
        seeds: [impostor.host.listenAddress()],
        token,
        name: "secret-name",
        address: "127.0.0.1:7",
        signal: AbortSignal.timeout(3_000),
      },
      joiner,
    );
    assert.is(await codeOf(joining), "TOKEN_INVALID");
    assert.is(heard.length, 1);
    assert.not.match(Buffer.concat(heard).toString("latin1"), "secret-name");
    assert.not.ok(joiner.host.isConnected(impostor.id));
  }));

it("finds members through a DNS service, and through whichever address answers", () =>
  scene(async ({ authority, member, join }) => {
    const [, port = ""] = member.host.listenAddress().split(":");
    const asked: string[] = [];
    const answer = await join(authority.token("t1"), {
      seeds: ["srv:_muster._tcp.example.org"],
      resolver: {
        services: (name) => {
          asked.push(name);
          const down = { name: "down.example.org", port: 1, priority: 1 };
          return Promise.resolve([
            down,
            { name: "up.example.org", port: Number(port), priority: 2 },
          ]);
        },
        addresses: (name) => {
          asked.push(name);
          return Promise.resolve(["127.0.0.1"]);
        },
      },
    });
    assert.is(answer.nodeName, "n2");
    assert.equal(asked, ["_muster._tcp.example.org", "down.example.org", "up.example.org"]);
  }));

it("joins through what discovery hears of, as soon as it hears", () =>
  scene(async ({ authority, member, join }) => {
    const heard: HostPort[] = [];
    const listeners = new Set<() => void>();
    const hints = {
      addresses: () => heard,
      onFound: (listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    const joining = join(authority.token("t1"), { seeds: [], hints });
    await until({ what: "the joiner waits for news", everyMs: 5 }, () => listeners.size === 1);
    heard.push(parseHostPort(member.host.listenAddress()) ?? { host: "", port: 0 });
    for (const listener of listeners) listener();
    assert.is((await joining).nodeName, "n2");
    assert.is(listeners.size, 0);
  }));

it("is not put off by a liar that discovery hears of, but by one that an operator named", () =>
  scene(async ({ mesh, authority, member, join }) => {
    const liar = await mesh.stranger({ authority: new FakeAuthority(newUuid()) });
    const addressOf = ({ host }: TestNode): HostPort =>
      parseHostPort(host.listenAddress()) ?? { host: "", port: 0 };
    const heard = [addressOf(liar)];
    const hints = { addresses: () => heard, onFound: () => () => undefined };
    const codes: string[] = [];
    const answer = await join(authority.token("t1"), {
      seeds: [],
      hints,
      onAttempt: ({ error, retryMs }) => {
        codes.push(`${error.code} ${retryMs === null ? "final" : "again"}`);
        heard.push(addressOf(member));
      },
    });
    assert.is(answer.nodeName, "n2");
    assert.equal([...new Set(codes)], ["FOREIGN_CLUSTER again"]);
    const seeds = [liar.host.listenAddress()];
    assert.is(await codeOf(join(authority.token("t1"), { seeds })), "FOREIGN_CLUSTER");
  }));

it("takes for final what a member says that proved the token, wherever it was heard of", () =>
  scene(async ({ authority, member, join }) => {
    authority.refusal = new AgentError("TOKEN_USED", "Refused.");
    const heard = [parseHostPort(member.host.listenAddress()) ?? { host: "", port: 0 }];
    const hints = { addresses: () => heard, onFound: () => () => undefined };
    assert.is(await codeOf(join(authority.token("t1"), { seeds: [], hints })), "TOKEN_USED");
  }));

it("joins beside a seed that takes the connection and says nothing", () =>
  scene(async ({ mesh, authority, member, join }) => {
    const silent = await mesh.stranger({
      prepare: ({ host }) => host.handle(Protocol.join, () => undefined),
    });
    const seeds = [silent.host.listenAddress(), member.host.listenAddress()];
    assert.is((await join(authority.token("t1"), { seeds })).nodeName, "n2");
  }));

it("asks the others again and again beside a seed that says nothing, and says that it waits", () =>
  scene(async ({ mesh, authority, member, join }) => {
    const silent = await mesh.stranger({
      prepare: ({ host }) => host.handle(Protocol.join, () => undefined),
    });
    const seeds = [silent.host.listenAddress(), member.host.listenAddress()];
    const token = authority.token("t1");
    authority.refusal = new AgentError("NO_LEADER", "No leader now.");
    const slow: string[] = [];
    const tried: string[] = [];
    const answer = await join(token, {
      seeds,
      onSlow: (seed) => void slow.push(seed),
      onAttempt: ({ seed }) => {
        tried.push(seed);
        if (tried.length === 2) authority.refusal = null;
      },
    });
    assert.is(answer.nodeName, "n2");
    assert.equal(tried, [seeds[1], seeds[1]], "a second round began beside the silent one");
    assert.equal(slow, [seeds[0]]);
  }));

it("lets a seed that is slow have its word before another's refusal is final", () =>
  scene(async ({ mesh, authority, member, join }) => {
    const wrong = await mesh.stranger({ authority: new FakeAuthority(newUuid()) });
    const { promise, resolve } = Promise.withResolvers<void>();
    authority.pending = promise;
    const seeds = [member.host.listenAddress(), wrong.host.listenAddress()];
    const token = authority.token("t1");
    const answer = await join(token, { seeds, onSlow: () => resolve() });
    assert.is(answer.nodeName, "n2");
  }));

it("takes no recorded dialogue a second time", () =>
  scene(async ({ authority, joiner, member, join }) => {
    const sent: Buffer[] = [];
    const connect = joiner.host.dialAddress.bind(joiner.host);
    joiner.host.dialAddress = async (address, signal) => {
      const connection = await connect(address, signal);
      const newStream = connection.newStream.bind(connection);
      connection.newStream = async (protocol, options) => {
        const stream = await newStream(protocol, options);
        const send = stream.send.bind(stream);
        stream.send = (data) => {
          sent.push(Buffer.from(data.subarray()));
          return send(data);
        };
        return stream;
      };
      return connection;
    };
    await join(authority.token("t1"));
    joiner.host.setAddress(member.id, member.host.listenAddress());
    const replay = await joiner.host.openStream(member.id, Protocol.join, silence);
    const answers: Uint8Array[] = [];
    replay.addEventListener("message", ({ data }) => void answers.push(data.subarray()));
    for (const bytes of [...sent]) replay.send(bytes);
    await until(
      { what: "the replay ends", everyMs: 5 },
      () => replay.status !== "open" || answers.length > 1,
    );
    assert.is(authority.admitted.length, 1);
    assert.match(Buffer.concat(answers).toString("latin1"), "TOKEN_INVALID");
  }));

it("turns strangers away that come too many at once, and they may come again", () =>
  scene(async ({ authority, joiner, member }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    authority.pending = promise;
    const token = authority.token("t1");
    introduce([joiner]);
    const attempts: JoinAttempt[] = [];
    const joins = Array.from({ length: 4 }, () =>
      joinCluster(
        {
          ...plain,
          seeds: [member.host.listenAddress()],
          token,
          name: "n2",
          address: "127.0.0.1:7",
          signal: silence,
          onAttempt: (attempt) => void attempts.push(attempt),
        },
        joiner,
      ),
    );
    resolve();
    const answers = await Promise.all(joins);
    assert.is(answers.length, 4);
  }));

it("says nothing to garbage, and lives on", () =>
  scene(async ({ authority, member, joiner, join }) => {
    joiner.host.setAddress(member.id, member.host.listenAddress());
    const garbage = [
      Buffer.from("00000003ffffff", "hex"),
      Buffer.from("7fffffff00", "hex"),
      Buffer.from("00000000", "hex"),
      Buffer.concat([
        Buffer.of(0, 0, 0, 1),
        encodeJoin({ nonce: Buffer.alloc(3), proof: Buffer.alloc(3) }),
      ]),
    ];
    for (const bytes of garbage) {
      const stream = await joiner.host.openStream(member.id, Protocol.join, silence);
      let heard = 0;
      stream.addEventListener("message", ({ data }) => {
        heard += data.byteLength;
      });
      stream.send(bytes);
      await until({ what: "the stream is aborted", everyMs: 5 }, () => stream.status !== "open");
      assert.is(heard, 0);
    }
    assert.is((await join(authority.token("t1"))).nodeName, "n2");
  }));

const evictedAt7: Standing = {
  standing: "evicted",
  ...{ generation: { n: 2, id: "0".repeat(32) }, index: 7 },
};

it("tells an evicted peer that it was evicted, which may do nothing else here", () =>
  scene(async ({ authority, member, joiner, mesh }) => {
    joiner.cluster = mesh.cluster;
    joiner.members.add(member.id);
    joiner.host.setAddress(member.id, member.host.listenAddress());
    member.evicted.add(joiner.id);
    authority.standings.set(joiner.id, evictedAt7);
    assert.equal(await askStanding(member.id, joiner, silence), evictedAt7);
    const opened = joiner.host.openStream(member.id, Protocol.rpc, AbortSignal.timeout(2000));
    await opened.then(
      (stream) => until({ what: "the stream is cut", everyMs: 5 }, () => stream.status !== "open"),
      () => undefined,
    );
    assert.is(member.host.counters().refusedStreams, 1);
  }));

it("tells a peer of itself only, and one that it never saw that it does not know it", () =>
  scene(async ({ authority, member, joiner, mesh }) => {
    joiner.host.setAddress(member.id, member.host.listenAddress());
    const other = await mesh.stranger();
    authority.standings.set(other.id, evictedAt7);
    joiner.cluster = mesh.cluster;
    assert.equal(await askStanding(member.id, joiner, silence), { standing: "unknown" });
  }));

it("says nothing about membership for another cluster, nor before it has joined itself", () =>
  scene(async ({ authority, member, joiner, mesh }) => {
    joiner.host.setAddress(member.id, member.host.listenAddress());
    joiner.cluster = newUuid();
    assert.is(await codeOf(askStanding(member.id, joiner, silence)), "FOREIGN_CLUSTER");
    joiner.cluster = mesh.cluster;
    authority.cluster = null;
    assert.is(await codeOf(askStanding(member.id, joiner, silence)), "NO_LEADER");
  }));

it.run();
