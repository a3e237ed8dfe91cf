/**
 * Members that one side of a split admits and evicts, and its rotations of gossip's keys. Machines of one name join on
 * both sides, and both sides evict some of the machines that they knew in common.
 */
import { type TestAgent } from "../support/agents.ts";
import { type Crowd, type Joined } from "../support/lab/crowd.ts";
import { type EventBody } from "./record-places.ts";
import { type Write } from "./record-writes.ts";
import { type SideLedger } from "./side-ledger.ts";

export interface Keys {
  readonly epoch: number;
  readonly sealing: number;
  readonly rotation: object | null;
}
export const keysOf = (agent: TestAgent): Promise<Keys> => agent.get<Keys>("/v1/operator/keys");

interface Newcomers {
  readonly crowd: Crowd;
  /** A join token with enough uses. */
  readonly token: string;
}

/** These many names are asked for on both sides. */
const shared = 20;
const keyEvents = ["keyring.rotating", "keyring.rotated"];

export class SideMembers {
  readonly #ledger: SideLedger;
  readonly #newcomers: Newcomers;
  readonly admitted: Joined[] = [];
  readonly evicted: Joined[] = [];
  /** Of rotations that were asked for, each acknowledged. */
  readonly epochs: number[] = [];

  constructor(ledger: SideLedger, newcomers: Newcomers) {
    this.#ledger = ledger;
    this.#newcomers = newcomers;
  }

  /** A machine joins through the `i`th agent of the side. */
  async admit(i: number): Promise<void> {
    const { side, agents } = this.#ledger;
    const { crowd, token } = this.#newcomers;
    const seed = agents[i % agents.length];
    if (seed === undefined) throw new Error("A side has agents");
    const name = i < shared ? `both-member-${i}` : `${side.id}-member-${i}`;
    this.admitted.push(await crowd.join(seed, token, name));
  }

  async evict(known: Joined): Promise<void> {
    const place = `member/${known.peer}`;
    const route = `/v1/nodes/${known.node}?force=true`;
    const write: Write = {
      ...{ kind: "member", method: "DELETE", route, record: place, place, mark: null },
    };
    await this.#ledger.write(write);
    this.evicted.push(known);
  }

  /** Begins a rotation, unless one is under way: evictions begin some of their own. */
  async rotate(): Promise<void> {
    const [agent] = this.#ledger.agents;
    if (agent === undefined) return;
    const { status, json } = await agent.api("POST", "/v1/operator/rotate-keys");
    if (status === 202) this.epochs.push((json as Keys).epoch);
  }

  /** Evictions are among the ledger's writes; a machine that was let in is a member by its identity. */
  lost(places: ReadonlyMap<string, unknown>): readonly string[] {
    return this.admitted.flatMap(({ peer, node }) => (places.has(`member/${peer}`) ? [] : [node]));
  }

  /** What happened to members on this side, and is not in the stream of events exactly once. */
  unheard(events: readonly EventBody[], won: boolean): readonly string[] {
    const own = events.filter(({ data }) => (data["originalIndex"] === undefined) === won);
    const heard = Map.groupBy(own, ({ type, subject }) => `${type} ${subject}`);
    const expected = [
      ...this.admitted.map(({ peer }) => `member.admitted member/${peer}`),
      ...this.evicted.map(({ peer }) => `member.evicted member/${peer}`),
    ];
    return expected.filter((line) => heard.get(line)?.length !== 1);
  }
}

/** Steps of rotations: what they did, with which key, and where in the history that they were written in. */
export function rotationsIn(events: readonly EventBody[]): readonly string[] {
  return events
    .filter(({ type }) => keyEvents.includes(type))
    .map(({ type, index, data }) => {
      const at = data["originalIndex"] ?? index;
      return `${type} ${JSON.stringify(data["key"])} at ${JSON.stringify(at)}`;
    });
}
