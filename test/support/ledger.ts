/** Writes that were acknowledged, each to a variable of its own, and the search for what became of them. */
import { type TestAgent } from "./agents.ts";
import { until } from "./until.ts";

export interface Written {
  /** `Muster-Mode` and `Muster-Generation` of the answer. */
  readonly mode: string;
  readonly generation: string;
}

export class WriteLedger {
  readonly #values = new Map<string, string>();
  #count = 0;

  /** A write through `agent` is acknowledged in the end. */
  async write(agent: TestAgent, key = `w-${this.#count}`): Promise<Written> {
    this.#count += 1;
    const value = `${key} by ${agent.name}, ${this.#count}`;
    const headers = { "idempotency-key": value };
    const options = { what: `${agent.name} takes the write of ${key}`, deadlineMs: 90_000 };
    const answer = await until(options, async () => {
      const one = await agent.api("PUT", `/v1/vars/${key}`, { body: { value }, headers });
      if (one.status === 200) return one;
      throw new Error(`${one.status} ${one.text}`);
    });
    this.#values.set(`${key}\n${value}`, value);
    const mode = String(answer.headers["muster-mode"]);
    return { mode, generation: String(answer.headers["muster-generation"]) };
  }

  /** What `agent` does not have: neither as the value of the variable nor in its journal of conflicts. */
  async lostOn(agent: TestAgent): Promise<readonly string[]> {
    const { vars } = await agent.get<{ vars: Record<string, unknown> }>(
      "/v1/vars?consistency=linearizable",
    );
    const journal = await agent.api("GET", "/v1/operator/conflicts?limit=1000");
    return [...this.#values].flatMap(([pair, value]) => {
      const key = pair.split("\n")[0] ?? "";
      // A JSON string in JSON: looked for as it is printed.
      return vars[key] === value || journal.text.includes(JSON.stringify(value)) ? [] : [pair];
    });
  }
}
