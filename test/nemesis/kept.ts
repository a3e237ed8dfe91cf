/**
 * Writes to variables of their own, each through one agent, whatever generation that is in. In the end every agent has
 * all that were acknowledged, in the state or in the journal of conflicts.
 */
import { type TestAgent } from "../support/agents.ts";
import { ask } from "./client.ts";
import { type Client, type Field, type Workload } from "./workload.ts";

interface Write {
  readonly key: string;
  readonly value: string;
  /** `Muster-Generation` and `Muster-Mode` of the answer. */
  readonly told: string;
}

export class Kept implements Workload {
  readonly #acknowledged: Write[] = [];
  #count = 0;

  clients(field: Field): readonly Client[] {
    return field.agents.map((agent) => ({ step: () => this.#write(field, agent) }));
  }

  async check(field: Field): Promise<void> {
    for (const agent of field.agents) {
      const { vars } = await agent.get<{ vars: Record<string, unknown> }>(
        "/v1/vars?consistency=linearizable",
      );
      const journal = await agent.api("GET", "/v1/operator/conflicts?limit=1000");
      for (const { key, value, told } of this.#acknowledged) {
        if (vars[key] === value || journal.text.includes(JSON.stringify(value))) continue;
        field.journal.problems.push(`${agent.name} lost ${key}, acknowledged as ${told}`);
      }
    }
  }

  async #write({ prefix, journal }: Field, agent: TestAgent): Promise<void> {
    this.#count += 1;
    const key = `${prefix}${this.#count}`;
    const value = `${key} through ${agent.name}`;
    const reply = await ask(agent, "PUT", `/v1/vars/${key}`, { body: { value } });
    if (reply.kind === "ok") {
      const { headers } = reply.answer;
      const told = `${String(headers["muster-generation"])} ${String(headers["muster-mode"])}`;
      this.#acknowledged.push({ key, value, told });
      journal.tick(agent.name);
    } else if (reply.kind === "unknown") {
      journal.unknown += 1;
    } else {
      journal.failed += 1;
    }
  }
}
