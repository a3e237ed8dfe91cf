/** Variables that hold lists: every append reads the list and writes it back, longer by one, over the version read. */
import { type Random } from "../../src/base/random.ts";
import { type TestAgent } from "../support/agents.ts";
import { type HttpAnswer } from "../support/http.ts";
import { ask, type Reply } from "./client.ts";
import { type Client, type Field, type Workload } from "./workload.ts";

/** A list that has so many elements is left alone, and the next one begun. */
const longest = 60;

interface List {
  readonly items: readonly string[];
  /** Null: it does not exist. */
  readonly etag: string | null;
}

export class Lists implements Workload {
  #current = 0;
  readonly #keys = new Set<string>();

  clients(field: Field, random: () => Random): readonly Client[] {
    return field.agents.map((agent) => new ListClient(this, { field, agent, random: random() }));
  }

  async check(field: Field): Promise<void> {
    for (const agent of field.agents) {
      const process = field.recorder.newProcess();
      for (const key of this.#keys) await readList(field, { agent, process, key });
    }
  }

  key(prefix: string): string {
    const key = `${prefix}l${this.#current}`;
    this.#keys.add(key);
    return key;
  }

  full(prefix: string, key: string): void {
    if (key === this.key(prefix)) this.#current += 1;
  }
}

interface Reader {
  readonly agent: TestAgent;
  readonly process: number;
  readonly key: string;
}

async function readList(field: Field, { agent, process, key }: Reader): Promise<List | null> {
  const call = { f: "get", key } as const;
  field.recorder.call(process, call);
  const reply = await ask(agent, "GET", `/v1/vars/${key}?consistency=linearizable`);
  const list = listIn(reply);
  const outcome =
    list === null
      ? ({ type: "fail" } as const)
      : ({ type: "ok", value: textOf(list.items) } as const);
  field.recorder.reply(process, call, outcome);
  return list;
}

function listIn(reply: Reply): List | null {
  if (reply.kind === "ok") return listOf(reply.answer);
  return reply.kind === "refused" ? { items: [], etag: null } : null;
}

function listOf({ json, headers }: HttpAnswer): List {
  return { items: (json as { value: string[] }).value, etag: String(headers.etag) };
}

const textOf = (items: readonly string[]): string => items.map((item) => ` ${item}`).join("");

class ListClient implements Client {
  readonly #lists: Lists;
  readonly #field: Field;
  readonly #agent: TestAgent;
  readonly #random: Random;
  readonly #process: number;
  #appends = 0;
  #last: (List & { readonly key: string }) | null = null;

  constructor(
    lists: Lists,
    options: { readonly field: Field; readonly agent: TestAgent; readonly random: Random },
  ) {
    this.#lists = lists;
    this.#field = options.field;
    this.#agent = options.agent;
    this.#random = options.random;
    this.#process = options.field.recorder.newProcess();
  }

  /** Mostly reads first; now and then goes on from the answer to its own last append, as a program would. */
  async step(): Promise<void> {
    const field = this.#field;
    const key = this.#lists.key(field.prefix);
    const known = this.#last?.key === key && this.#random.float() < 0.3 ? this.#last : null;
    const list =
      known ?? (await readList(field, { agent: this.#agent, process: this.#process, key }));
    this.#last = null;
    if (list === null) return;
    if (list.items.length >= longest) this.#lists.full(field.prefix, key);
    else await this.#append(key, list);
  }

  async #append(key: string, { items, etag }: List): Promise<void> {
    const { recorder, journal } = this.#field;
    this.#appends += 1;
    const item = `${this.#process}-${this.#appends}`;
    const call = { f: "append", key, value: ` ${item}` } as const;
    const headers = etag === null ? { "if-none-match": "*" } : { "if-match": etag };
    recorder.call(this.#process, call);
    const options = { body: { value: [...items, item] }, headers };
    const reply = await ask(this.#agent, "PUT", `/v1/vars/${key}`, options);
    if (reply.kind === "ok") {
      recorder.reply(this.#process, call, { type: "ok" });
      journal.accept(`var/${key}`, (reply.answer.json as { version: number }).version);
      this.#last = { key, ...listOf(reply.answer) };
    } else if (reply.kind === "unknown") {
      recorder.reply(this.#process, call, { type: "info" });
      journal.doubt(`var/${key}`);
    } else {
      recorder.reply(this.#process, call, { type: "fail" });
      if (reply.kind === "refused") journal.refused += 1;
      else journal.failed += 1;
    }
  }
}
