/**
 * Variables as registers: read, write, create, compare-and-set by ETag, delete. Every value is written once, so
 * that a version and a value name the same state, and If-Match is a compare-and-set of values.
 */
import { type Random } from "../../src/base/random.ts";
import { type Call, type Recorder } from "../linearizability/recorder.ts";
import { type TestAgent } from "../support/agents.ts";
import { type HttpAnswer } from "../support/http.ts";
import { ask, generationOf, type Reply } from "./client.ts";
import { type Client, type Field, type Workload } from "./workload.ts";

const clientsPerAgent = 2;
/** Few, so that clients of different agents meet. */
const keysAtOnce = 2;
/** Then clients go on to fresh keys: histories of one key stay short enough to be judged fast. */
const stepsPerKey = 400;

/** What a client saw last of a key; etag null: it does not exist. */
interface Seen {
  readonly value: string;
  readonly etag: string | null;
}

export class Registers implements Workload {
  readonly #keys: string[] = [];
  #steps = 0;

  clients(field: Field, random: () => Random): readonly Client[] {
    const each = Array.from({ length: clientsPerAgent });
    return field.agents.flatMap((agent) =>
      each.map(() => new RegisterClient(this, { field, agent, random: random() })),
    );
  }

  /** Every agent reads every key once more: an acknowledged write that is lost shows here at the latest. */
  async check(field: Field): Promise<void> {
    for (const agent of field.agents) {
      const process = field.recorder.newProcess();
      for (const key of this.#keys) await readValue(field.recorder, { agent, process, key });
    }
  }

  nextKey(prefix: string, random: Random): string {
    const batch = Math.floor(this.#steps / (stepsPerKey * keysAtOnce));
    this.#steps += 1;
    const key = `${prefix}r${batch}-${random.below(keysAtOnce)}`;
    if (!this.#keys.includes(key)) this.#keys.push(key);
    return key;
  }
}

interface Reader {
  readonly agent: TestAgent;
  readonly process: number;
  readonly key: string;
}

/** Null when there was no answer. */
async function readValue(
  recorder: Recorder,
  { agent, process, key }: Reader,
): Promise<Seen | null> {
  const call = { f: "get", key } as const;
  recorder.call(process, call);
  const reply = await ask(agent, "GET", `/v1/vars/${key}?consistency=linearizable`);
  const seen = seenIn(reply);
  recorder.reply(
    process,
    call,
    seen === null ? { type: "fail" } : { type: "ok", value: seen.value },
    generationOf(reply),
  );
  return seen;
}

function seenIn(reply: Reply): Seen | null {
  if (reply.kind === "ok") return seenOf(reply.answer);
  return reply.kind === "refused" ? { value: "", etag: null } : null;
}

function seenOf({ json, headers }: HttpAnswer): Seen {
  return { value: (json as { value: string }).value, etag: String(headers.etag) };
}

class RegisterClient implements Client {
  readonly #field: Field;
  readonly #agent: TestAgent;
  readonly #random: Random;
  readonly #registers: Registers;
  readonly #process: number;
  readonly #seen = new Map<string, Seen>();
  #writes = 0;

  constructor(
    registers: Registers,
    options: { readonly field: Field; readonly agent: TestAgent; readonly random: Random },
  ) {
    this.#registers = registers;
    this.#field = options.field;
    this.#agent = options.agent;
    this.#random = options.random;
    this.#process = options.field.recorder.newProcess();
  }

  async step(): Promise<void> {
    const key = this.#registers.nextKey(this.#field.prefix, this.#random);
    const chance = this.#random.float();
    const seen = this.#seen.get(key);
    if (chance < 0.5) return this.#read(key);
    if (chance < 0.54) return this.#delete(key);
    if (chance < 0.75 || seen === undefined) return this.#put(key);
    return this.#swap(key, seen);
  }

  async #read(key: string): Promise<void> {
    const { recorder, journal } = this.#field;
    const seen = await readValue(recorder, { agent: this.#agent, process: this.#process, key });
    if (seen === null) return;
    journal.reads += 1;
    this.#seen.set(key, seen);
  }

  #put(key: string): Promise<void> {
    return this.#write({ f: "put", key, value: this.#newValue() }, {});
  }

  #swap(key: string, { value: from, etag }: Seen): Promise<void> {
    const condition = etag === null ? { "if-none-match": "*" } : { "if-match": etag };
    return this.#write({ f: "cas", key, from, value: this.#newValue() }, condition);
  }

  async #write(
    call: Extract<Call, { readonly value: string }>,
    headers: Record<string, string>,
  ): Promise<void> {
    const { recorder } = this.#field;
    recorder.call(this.#process, call);
    const body = { value: call.value };
    const reply = await ask(this.#agent, "PUT", `/v1/vars/${call.key}`, { body, headers });
    this.#note(call, reply);
    if (reply.kind === "ok") this.#seen.set(call.key, this.#written(call, reply.answer));
    else this.#seen.delete(call.key);
  }

  async #delete(key: string): Promise<void> {
    const call = { f: "put", key, value: "" } as const;
    this.#field.recorder.call(this.#process, call);
    const reply = await ask(this.#agent, "DELETE", `/v1/vars/${key}`);
    this.#note(call, reply);
    if (reply.kind === "ok") this.#seen.set(key, { value: "", etag: null });
  }

  #note(call: Call, reply: Reply): void {
    const { recorder, journal } = this.#field;
    const subject = `var/${call.key}`;
    if (reply.kind === "ok") journal.accept(subject, versionIn(reply.answer));
    if (reply.kind === "refused") journal.refused += 1;
    if (reply.kind === "fail") journal.failed += 1;
    if (reply.kind === "unknown") journal.doubt(subject);
    recorder.reply(this.#process, call, outcomeOf(call, reply), generationOf(reply));
  }

  /** The answer to a write is about that write. */
  #written(call: { readonly key: string; readonly value: string }, answer: HttpAnswer): Seen {
    const seen = seenOf(answer);
    if (seen.value !== call.value) {
      this.#field.journal.problems.push(
        `PUT ${call.key} ${call.value} was answered with ${seen.value}`,
      );
    }
    return { ...seen, value: call.value };
  }

  #newValue(): string {
    this.#writes += 1;
    return `${this.#process}-${this.#writes}`;
  }
}

function versionIn({ json }: HttpAnswer): number | null {
  return (json as { version?: number } | undefined)?.version ?? null;
}

/** A delete of what does not exist did not happen; only a compare-and-set tells by its refusal what it saw. */
function outcomeOf(call: Call, { kind }: Reply) {
  if (kind === "ok") return { type: "ok" } as const;
  if (kind === "unknown") return { type: "info" } as const;
  return { type: kind === "refused" && call.f === "cas" ? "refused" : "fail" } as const;
}
