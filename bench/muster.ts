/** Three agents on loopback as an operator would start them, each with its API on a port as well, for load generators. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { freePort, killLeftovers, TestAgent } from "../test/support/agents.ts";
import { until } from "../test/support/until.ts";

export interface BenchAgent {
  readonly agent: TestAgent;
  readonly apiPort: number;
}

interface Status {
  readonly leader: { readonly name: string } | null;
  readonly voters: readonly unknown[];
}

export class MusterCluster implements AsyncDisposable {
  readonly folder: string;
  readonly members: readonly BenchAgent[];
  readonly #args: readonly string[];
  /** An admin's API token. */
  token = "";

  private constructor(folder: string, members: readonly BenchAgent[], args: readonly string[]) {
    this.folder = folder;
    this.members = members;
    this.#args = args;
  }

  static async start(args: readonly string[] = []): Promise<MusterCluster> {
    const folder = await mkdtemp(path.join(os.tmpdir(), "muster-bench-"));
    const members: BenchAgent[] = [];
    for (const name of ["n1", "n2", "n3"]) {
      const agent = new TestAgent(name, folder, await freePort());
      members.push({ agent, apiPort: await freePort() });
    }
    const cluster = new MusterCluster(folder, members, args);
    try {
      await cluster.#form();
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  get pids(): readonly number[] {
    return this.members.map(({ agent }) => agent.pid);
  }

  /** Starts an agent that has joined before. */
  restart({ agent, apiPort }: BenchAgent, env: NodeJS.ProcessEnv = {}): void {
    agent.start("agent", this.#argsOf(apiPort), env);
  }

  /** Resolves when all agents run, know the leader, and vote. */
  async settled(): Promise<void> {
    for (const { agent } of this.members) {
      await until({ what: `${agent.name} has three voters`, deadlineMs: 60_000 }, async () => {
        const { leader, voters } = await agent.get<Status>("/v1/status");
        return leader !== null && voters.length === this.members.length;
      });
    }
  }

  /** The leader, as a running agent says. */
  leader(): Promise<BenchAgent> {
    return until({ what: "a running leader is known" }, async () => {
      const asked = this.members.find(({ agent }) => agent.running);
      const status = await asked?.agent.get<Status>("/v1/status");
      const { name } = status?.leader ?? {};
      return this.members.find(({ agent }) => agent.running && agent.name === name) ?? null;
    });
  }

  async followers(): Promise<readonly BenchAgent[]> {
    const leader = await this.leader();
    return this.members.filter((member) => member !== leader);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { agent } of this.members) await agent.kill("SIGKILL");
    await killLeftovers(this.folder);
    await rm(this.folder, { recursive: true, force: true });
  }

  async #form(): Promise<void> {
    const [first, ...rest] = this.members;
    if (first === undefined) return;
    first.agent.start("bootstrap", this.#argsOf(first.apiPort));
    await until({ what: "the first agent serves" }, async () => {
      return (await first.agent.api("GET", "/readyz")).status === 200;
    });
    this.token = await this.#newToken(first.agent, { kind: "api", role: "admin" });
    for (const { agent, apiPort } of rest) {
      const file = path.join(this.folder, `${agent.name}.token`);
      const token = await this.#newToken(first.agent, { kind: "join", uses: 1 });
      await writeFile(file, token, { mode: 0o600 });
      const join = ["--join", `127.0.0.1:${first.agent.port}`, "--join-token-file", file];
      agent.start("agent", [...join, ...this.#argsOf(apiPort)]);
    }
    await this.settled();
  }

  #newToken(agent: TestAgent, body: object): Promise<string> {
    return until({ what: "a token is made" }, async () => {
      const answer = await agent.api("POST", "/v1/tokens", { body });
      return answer.status === 201 ? (answer.json as { token: string }).token : null;
    });
  }

  #argsOf(apiPort: number): readonly string[] {
    return ["--api-listen", `127.0.0.1:${apiPort}`, ...this.#args];
  }
}
