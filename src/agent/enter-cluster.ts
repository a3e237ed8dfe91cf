/**
 * How a data directory comes to belong to a cluster: it forms one (bootstrap), joins one (seeds and token), or
 * belongs to one already. What it becomes is written to agent.json before anything else happens.
 */
import { AgentError, isAgentError } from "../base/errors.ts";
import { delay, systemClock } from "../base/clock.ts";
import { newUuid } from "../base/ids.ts";
import { type Logger } from "../base/logger.ts";
import { formatHostPort } from "../p2p/address.ts";
import { bindDatagrams } from "../p2p/datagram-lane.ts";
import { RateLimit } from "../gossip/driver/inbound-guard.ts";
import { withDeadline } from "../p2p/deadline.ts";
import { joinCluster } from "../p2p/join-client.ts";
import { makeJoinToken, parseJoinToken } from "../p2p/join-token.ts";
import { systemResolver } from "../p2p/seeds.ts";
import { type AgentState, readAgentState, writeAgentState } from "./agent-state.ts";
import { type AgentCode } from "./errors.ts";
import { type Mesh } from "./mesh.ts";
import { type AgentOptions } from "./options.ts";
import { refuseWhereRemoved } from "./removal-notice.ts";

export interface EntranceInput {
  readonly mode: "agent" | "bootstrap";
  readonly options: AgentOptions;
  readonly joinToken: () => Promise<string | null>;
}

/**
 * What can be said without the network: the state of an agent that belongs to a cluster, or null when it still
 * has to enter one and knows how.
 * @throws AgentError NO_CLUSTER, MEMBER_EVICTED.
 */
export async function recallCluster(input: EntranceInput): Promise<AgentState | null> {
  const { options, mode, joinToken } = input;
  const state = await readAgentState(options.dataDir);
  if (state !== null) {
    await refuseWhereRemoved(options.dataDir);
    return state;
  }
  if (mode === "bootstrap") return null;
  if (options.join.length === 0 && options.discover === null) {
    throw new AgentError<AgentCode>(
      "NO_CLUSTER",
      `Data directory "${options.dataDir}" belongs to no cluster: give --join HOST:PORT or --discover mdns with --join-token-file FILE, or form a cluster with "muster bootstrap"`,
    );
  }
  if ((await joinToken()) === null) {
    throw new AgentError<AgentCode>(
      "CONFIG_INVALID",
      "Joining needs a token: give --join-token-file FILE or MUSTER_JOIN_TOKEN (made by: muster token create)",
    );
  }
  return null;
}

/** Forms or joins; resolves when it is decided and written. Joining is tried for ever. */
export async function enterCluster(
  input: EntranceInput,
  mesh: Mesh,
  deps: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<AgentState> {
  if (input.options.gossipDatagrams === "usual") {
    // What it cannot start without is looked at before a token is used up, and a node is in the inventory.
    (await bindDatagrams(mesh.host.listenAddress(), deps.signal)).close();
  }
  const state =
    input.mode === "bootstrap"
      ? await formCluster(input.options, mesh, deps.signal)
      : await join(input, mesh, deps);
  await writeAgentState(input.options.dataDir, state);
  return state;
}

/** Every start counts: newer ones outrank older ones in the exactly-once window. */
export async function countStart(options: AgentOptions, state: AgentState): Promise<AgentState> {
  const counted = { ...state, starts: state.starts + 1 };
  await writeAgentState(options.dataDir, counted);
  return counted;
}

/** From now on a start that finds no log has lost one. */
export async function noteLog(options: AgentOptions, state: AgentState): Promise<AgentState> {
  if (state.hadLog) return state;
  const noted = { ...state, hadLog: true };
  await writeAgentState(options.dataDir, noted);
  return noted;
}

/** Questions go out at once and after a second; whoever is there answers within a tenth of one. */
const namesakesMs = 1500;
/** Anybody can claim to be one: each is asked, and may be silent. */
const mostNamesakes = 4;
const namesakeMs = 5000;

async function formCluster(
  options: AgentOptions,
  mesh: Mesh,
  signal: AbortSignal,
): Promise<AgentState> {
  for (const seed of options.join) {
    if (await agentAnswers(seed, mesh, signal)) {
      throw clusterExists(seed, "bootstrap without --join to form another cluster");
    }
  }
  const name = options.clusterName;
  const addresses = await namesakes(options, mesh, signal);
  const answers = await Promise.all(
    addresses.map((address) =>
      withDeadline({ clock: mesh.context.clock, ms: namesakeMs, signal }, (ends) =>
        agentAnswers(address, mesh, ends),
      ).catch(() => false),
    ),
  );
  signal.throwIfAborted();
  const namesake = addresses[answers.indexOf(true)];
  if (namesake !== undefined) {
    throw clusterExists(namesake, "give another --cluster-name to form another one", name);
  }
  return {
    clusterId: newUuid(),
    clusterName: options.clusterName,
    nodeName: options.name,
    founder: true,
    peers: [],
    starts: 0,
    hadLog: false,
  };
}

/** Addresses on the local network that claim to be of a cluster of this name. */
async function namesakes(
  { clusterName }: AgentOptions,
  { discovery, context }: Mesh,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (discovery === null) return [];
  discovery.useName(clusterName);
  discovery.search(true);
  await delay(context.clock, namesakesMs, signal);
  discovery.search(false);
  return discovery.addresses().slice(0, mostNamesakes).map(formatHostPort);
}

/** A seed that speaks the join protocol, if only to refuse, belongs to a cluster: do not form another beside it. */
async function agentAnswers(seed: string, mesh: Mesh, signal: AbortSignal): Promise<boolean> {
  const tokenId = "probe";
  const { token } = makeJoinToken({ clusterId: newUuid(), tokenId, expiresAt: null });
  const oneAttempt = new AbortController();
  let answered = false;
  const onAttempt = ({ error }: { readonly error: AgentError }): void => {
    answered ||= error.code === "FOREIGN_CLUSTER" || error.code.startsWith("TOKEN_");
    oneAttempt.abort();
  };
  const name = "probe";
  const attempt = {
    seeds: [seed],
    resolver: systemResolver,
    hints: null,
    token,
    name,
    address: mesh.host.addresses()[0] ?? "",
    onAttempt,
  };
  try {
    const both = AbortSignal.any([signal, oneAttempt.signal]);
    await joinCluster({ ...attempt, signal: both }, mesh.context);
  } catch (error) {
    signal.throwIfAborted();
    answered ||= isAgentError(error, "FOREIGN_CLUSTER");
  }
  return answered;
}

function clusterExists(at: string, otherwise: string, name?: string): AgentError<AgentCode> {
  const cluster = name === undefined ? "a cluster" : `a cluster of the name "${name}"`;
  return new AgentError(
    "CLUSTER_EXISTS",
    `An agent of ${cluster} answers at "${at}": join it with "muster agent --join ${at} --join-token-file FILE", or ${otherwise}`,
  );
}

const nobodyLogMs = 30_000;
/** Anybody on the network can name as many addresses as he likes. */
const hintLogMs = 10_000;

function nobodyText(isDiscovering: boolean): string {
  return isDiscovering
    ? "no member to join through answers on the local network: they must run with --discover mdns too, on the same network segment (--discover-interface picks the interface); or give --join HOST:PORT"
    : "no seed has an address now";
}

async function join(
  { options, joinToken }: EntranceInput,
  mesh: Mesh,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<AgentState> {
  const token = (await joinToken()) ?? "";
  const { discovery } = mesh;
  discovery?.use(parseJoinToken(token).clusterId);
  discovery?.search(true);
  const hintLog = new RateLimit({ periodMs: hintLogMs });
  const logHint = (data: object): void => {
    const count = hintLog.take(systemClock.monotonicMs());
    if (count > 0)
      logger.warn({ ...data, count }, "no join through an address found on the network");
  };
  const nobodyLog = new RateLimit({ periodMs: nobodyLogMs });
  logger.info({ seeds: options.join, discover: discovery !== null }, "joining");
  const answer = await joinCluster(
    {
      seeds: options.join,
      resolver: systemResolver,
      hints: discovery,
      token,
      name: options.name,
      address: mesh.host.addresses()[0] ?? "",
      signal,
      onSlow: (seed, waitedMs) => {
        logger.warn({ seed, waitedMs }, "seed takes its time; waiting for it beside the others");
      },
      onNobody: (retryMs) => {
        if (nobodyLog.take(systemClock.monotonicMs()) === 0) return;
        logger.warn({ discover: discovery !== null, retryMs }, nobodyText(discovery !== null));
      },
      onAttempt: ({ seed, isSeed, error, retryMs }) => {
        const data = { seed, code: error.code, reason: error.message, retryMs };
        if (isSeed) logger.warn(data, "seed did not admit this agent");
        else if (retryMs !== null) logHint(data);
        else logger.warn(data, "a member found on the network refused this agent");
      },
    },
    mesh.context,
  );
  if (!answer.reached) {
    const address = mesh.host.addresses()[0] ?? "";
    const text =
      "the member that let this agent in cannot connect to its address: others will not reach it either; set --advertise to one that they reach";
    logger.warn({ address }, text);
  }
  if (answer.nodeName !== options.name) {
    const text =
      "the name of this agent belongs to another one: it got a suffix; see `muster why` with the name it got";
    logger.warn({ name: options.name, node: answer.nodeName }, text);
  }
  return {
    clusterId: answer.clusterId,
    clusterName: answer.clusterName,
    nodeName: answer.nodeName,
    founder: false,
    peers: answer.members.map(({ id, address }) => ({ id, address })),
    starts: 0,
    hadLog: false,
  };
}
