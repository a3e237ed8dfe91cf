/** What one side of a split acknowledged, and the search for it after the merge. */
import { type TestAgent } from "../support/agents.ts";
import { until } from "../support/until.ts";
import { type Conflict, type EventBody, type Places } from "./record-places.ts";
import { type Side, type Write } from "./record-writes.ts";

interface Acknowledged {
  readonly write: Write;
  /** Raft index of the write in its own history; null where the answer does not tell it. */
  readonly version: number | null;
  readonly key: string;
}

export class SideLedger {
  readonly side: Side;
  readonly agents: readonly TestAgent[];
  readonly acknowledged: Acknowledged[] = [];
  /** `Muster-Generation` and `Muster-Mode` of the answers, each once. */
  readonly told = new Set<string>();
  #turns = 0;

  constructor(side: Side, agents: readonly TestAgent[]) {
    this.side = side;
    this.agents = agents;
  }

  /** Through one agent of the side after the other; tried again, under one key, until it is acknowledged. */
  async write(write: Write): Promise<unknown> {
    const key = `${this.side.id} ${write.kind} ${this.acknowledged.length} ${write.place}`;
    const what = `side ${this.side.id} takes ${write.method} ${write.route}`;
    return until({ what, deadlineMs: 60_000, everyMs: 250 }, async () => {
      const answer = await this.send(write, key);
      // A token is shown once: the answer to a repetition says so instead.
      const isRepeated = answer.text.includes("TOKEN_SHOWN");
      if (answer.status >= 300 && !isRepeated) throw new Error(`${answer.status} ${answer.text}`);
      const { headers, json } = answer;
      this.told.add(`${String(headers["muster-generation"])} ${String(headers["muster-mode"])}`);
      const version = toldVersion(write, headers.etag);
      this.acknowledged.push({ write, version, key });
      return json ?? true;
    });
  }

  send({ method, route, body }: Write, key: string) {
    this.#turns += 1;
    const agent = this.agents[this.#turns % this.agents.length];
    if (agent === undefined) throw new Error("A side has agents");
    return agent.api(method, route, { body, headers: { "idempotency-key": key } });
  }

  /** The last acknowledged write of every place, which nothing of this side replaced. */
  last(): ReadonlyMap<string, Write> {
    return new Map(this.acknowledged.map(({ write }) => [write.place, write]));
  }

  /** What is neither in the state nor in the journal. */
  lost(places: Places, conflicts: readonly Conflict[]): readonly string[] {
    const journal = Map.groupBy(conflicts, ({ key }) => key);
    return [...this.last()].flatMap(([place, { record, mark }]) => {
      const here = places.get(place) ?? null;
      const kept = here === mark || (journal.get(record) ?? []).some((one) => holds(one, mark));
      return kept
        ? []
        : [`${place} = ${String(mark)} of side ${this.side.id}; here ${String(here)}`];
    });
  }

  /** Writes whose event is not exactly once in the stream that is left: at their index, or marked with it. */
  unheard(events: readonly EventBody[], won: boolean): readonly string[] {
    const indexOf = ({ index, data }: EventBody): unknown => {
      const isOurs = (data["originalIndex"] === undefined) === won;
      return isOurs ? (data["originalIndex"] ?? index) : null;
    };
    const heard = Map.groupBy(events, indexOf);
    return this.acknowledged.flatMap(({ write, version }) => {
      const told = (heard.get(version) ?? []).filter((event) => speaksOf(event, write));
      if (version === null || told.length === 1) return [];
      return [`${write.method} ${write.route} at ${version}: ${told.length} events`];
    });
  }
}

/** The ETag is that of the write itself; but about jobs and the source an answer tells the record of now. */
function toldVersion({ kind }: Write, etag: string | undefined): number | null {
  if (kind === "job" || kind === "config" || etag === undefined) return null;
  return Number(/^"(\d+)/.exec(etag)?.[1]);
}

function holds({ otherSide, atMerge }: Conflict, mark: Write["mark"]): boolean {
  if (mark === null) return otherSide === null || atMerge === null;
  const text = JSON.stringify(mark);
  return JSON.stringify([otherSide, atMerge]).includes(text);
}

/** Labels and what is wanted of a node are told as the node's; of a new token the id is not in the request. */
function speaksOf({ subject, type }: EventBody, { kind, method, record }: Write): boolean {
  if (kind === "token" && method === "POST") return type === "token.created";
  return subject === record.replace(/^(label|spec)\//, "node/");
}
