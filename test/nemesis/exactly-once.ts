/**
 * Writes with an Idempotency-Key, repeated through one agent after another until an answer is definite: each takes
 * effect once. A counter, whose final value is the number of increments that were acknowledged; and tokens, which
 * nothing but the key keeps from being made twice.
 */
import { delay, systemClock } from "../../src/base/clock.ts";
import { type Random } from "../../src/base/random.ts";
import { type TestAgent } from "../support/agents.ts";
import { until } from "../support/until.ts";
import { ask, codeOf, type Reply } from "./client.ts";
import { type Client, type Field, pick, type Workload } from "./workload.ts";

const clientsEach = 1;
const pauseMs = 100;

/** Only a definite answer ends it: when the cluster is whole again, there is one. */
async function definite(
  field: Field,
  random: Random,
  request: (agent: TestAgent) => Promise<Reply>,
): Promise<Extract<Reply, { readonly kind: "ok" | "refused" }>> {
  for (;;) {
    const reply = await request(pick(field.agents, random));
    if (reply.kind === "ok" || reply.kind === "refused") return reply;
    await delay(systemClock, pauseMs);
  }
}

export class Counter implements Workload {
  #acknowledged = 0;
  #keys = 0;

  clients(field: Field, random: () => Random): readonly Client[] {
    return Array.from({ length: clientsEach }, () => {
      const drawn = random();
      return { step: () => this.#increment(field, drawn) };
    });
  }

  async check(field: Field): Promise<void> {
    for (const agent of field.agents) {
      const reply = await ask(agent, "GET", `${route(field)}?consistency=linearizable`);
      const value = reply.kind === "ok" ? (reply.answer.json as { value: number }).value : 0;
      if (value !== this.#acknowledged) {
        const told = `${this.#acknowledged} increments were acknowledged`;
        field.journal.problems.push(`${told}, but ${agent.name} counts ${value} (${reply.kind})`);
      }
    }
  }

  async #increment(field: Field, random: Random): Promise<void> {
    const agent = pick(field.agents, random);
    const read = await ask(agent, "GET", `${route(field)}?consistency=linearizable`);
    if (read.kind === "fail" || read.kind === "unknown") return;
    const { value, etag } =
      read.kind === "ok"
        ? {
            value: (read.answer.json as { value: number }).value,
            etag: String(read.answer.headers.etag),
          }
        : { value: 0, etag: null };
    this.#keys += 1;
    const headers = {
      ...(etag === null ? { "if-none-match": "*" } : { "if-match": etag }),
      "idempotency-key": `${field.prefix}count-${this.#keys}`,
    };
    const body = { value: value + 1 };
    const reply = await definite(field, random, (via) =>
      ask(via, "PUT", route(field), { body, headers }),
    );
    if (reply.kind === "refused") {
      field.journal.refused += 1;
      return;
    }
    this.#acknowledged += 1;
    const { version } = reply.answer.json as { version: number };
    field.journal.accept(`var/${field.prefix}counter`, version);
  }
}

const route = (field: Field): string => `/v1/vars/${field.prefix}counter`;

export class Tokens implements Workload {
  readonly #made = new Set<string>();

  clients(field: Field, random: () => Random): readonly Client[] {
    return Array.from({ length: clientsEach }, () => {
      const drawn = random();
      return { step: () => this.#make(field, drawn) };
    });
  }

  async check(field: Field): Promise<void> {
    for (const agent of field.agents) {
      const names = await until({ what: `${agent.name} lists tokens` }, async () => {
        const reply = await ask(agent, "GET", "/v1/tokens?consistency=linearizable");
        return reply.kind === "ok" ? namesIn(reply.answer.json, field.prefix) : null;
      });
      const found = names.toSorted();
      const made = [...this.#made].sort();
      if (JSON.stringify(found) !== JSON.stringify(made)) {
        const extra = found.filter((name, i) => found.indexOf(name) !== i || !this.#made.has(name));
        const lost = made.filter((name) => !found.includes(name));
        field.journal.problems.push(
          `${agent.name} has ${found.length} tokens for ${made.length} acknowledged; ` +
            `too many: ${extra.join(" ")}; lost: ${lost.join(" ")}`,
        );
      }
    }
  }

  async #make(field: Field, random: Random): Promise<void> {
    const name = `${field.prefix}t${this.#made.size}-${random.below(1e9)}`;
    const headers = { "idempotency-key": name };
    const body = { kind: "join", uses: 1, name };
    const reply = await definite(field, random, (via) =>
      ask(via, "POST", "/v1/tokens", { body, headers }),
    );
    if (reply.kind === "refused" && codeOf(reply.answer) !== "TOKEN_SHOWN") {
      field.journal.problems.push(`Token ${name}: ${reply.answer.text}`);
      return;
    }
    this.#made.add(name);
    field.journal.tick();
  }
}

function namesIn(json: unknown, prefix: string): readonly string[] {
  const { items } = json as { items: readonly { readonly name: string | null }[] };
  return items.flatMap(({ name }) => (name?.startsWith(prefix) === true ? [name] : []));
}
