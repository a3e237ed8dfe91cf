/**
 * Runs on a host of a lab: machines that join a cluster by production's join dialogue, each with an identity of its own,
 * and that ask later what became of them. Nothing else of an agent runs. One JSON object a line, in and out.
 */
import { createInterface } from "node:readline";
import { systemClock } from "../../../src/base/clock.ts";
import { errorMessage } from "../../../src/base/errors.ts";
import { asPeerId } from "../../../src/base/ids.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { systemRandom } from "../../../src/base/random.ts";
import { Slowness } from "../../../src/base/slowness.ts";
import { MeshHost } from "../../../src/p2p/host.ts";
import { ephemeralIdentity, type Identity } from "../../../src/p2p/identity.ts";
import { joinCluster } from "../../../src/p2p/join-client.ts";
import { parseJoinToken } from "../../../src/p2p/join-token.ts";
import { type MeshContext } from "../../../src/p2p/mesh-context.ts";
import { systemResolver } from "../../../src/p2p/seeds.ts";
import { askStanding } from "../../../src/p2p/standing-client.ts";
import { type CrowdRequest } from "./crowd.ts";

const limitMs = 60_000;
const identities = new Map<string, Identity>();

/** The host refuses nobody: it asks members only, and nobody is told where it listens. */
const everybody = { isMember: () => true, isEvicted: () => false };

async function withHost<T>(
  identity: Identity,
  clusterId: string,
  body: (context: MeshContext) => Promise<T>,
): Promise<T> {
  const shared = {
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    slowness: new Slowness(),
  };
  const listen = { listen: "127.0.0.1:0", advertise: [], identity };
  const host = new MeshHost(listen, { ...shared, admission: everybody });
  await host.start(AbortSignal.timeout(limitMs));
  try {
    return await body({ ...shared, host, clusterId: () => clusterId });
  } finally {
    await host.stop();
  }
}

async function answer(request: CrowdRequest): Promise<object> {
  const signal = AbortSignal.timeout(limitMs);
  if (request.ask === "join") {
    const { seed, token, name, address } = request;
    const identity = await ephemeralIdentity();
    identities.set(identity.peer, identity);
    const options = { seeds: [seed], resolver: systemResolver, hints: null, token, name, address };
    const { clusterId } = parseJoinToken(token);
    const joined = await withHost(identity, clusterId, (context) =>
      joinCluster({ ...options, signal }, context),
    );
    return { peer: identity.peer, node: joined.nodeName };
  }
  const identity = identities.get(request.peer);
  if (identity === undefined) throw new Error(`${request.peer} never joined from here`);
  return withHost(identity, request.clusterId, (context) => {
    const member = asPeerId(request.member);
    context.host.setAddress(member, request.seed);
    return askStanding(member, context, signal);
  });
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, request } = JSON.parse(line) as { id: number; request: CrowdRequest };
  const tell = (outcome: object): boolean =>
    process.stdout.write(`${JSON.stringify({ id, ...outcome })}\n`);
  answer(request).then(
    (value) => tell({ value }),
    (error: unknown) => tell({ error: errorMessage(error) }),
  );
});
