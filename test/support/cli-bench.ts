/**
 * A command line without a process, against an agent that is a script: each request is recorded, each answer is what
 * the test said. It shares no code with the API's server.
 */
import { EventEmitter } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { main } from "../../src/cli/main.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: unknown;
}
export interface Scripted {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Server-sent events instead of a body. */
  readonly lines?: readonly unknown[];
}
type Answer = Scripted | ((asked: Asked) => Scripted | Promise<Scripted>);

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class FakeHost extends EventEmitter {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: FakeOutput;
  readonly stderr = new FakeOutput();

  constructor(env: Readonly<Record<string, string>>, columns: number | null = null) {
    super();
    this.env = env;
    this.stdout = new FakeOutput(columns);
  }
}

class FakeOutput extends EventEmitter {
  text = "";
  readonly isTTY: boolean;
  readonly columns: number;

  constructor(columns: number | null = null) {
    super();
    this.isTTY = columns !== null;
    this.columns = columns ?? 80;
  }

  write(text: string): boolean {
    this.text += text;
    this.emit("written");
    return true;
  }
}

export class CliBench implements AsyncDisposable {
  readonly folder: string;
  readonly asked: Asked[] = [];
  readonly #answers = new Map<string, Answer>();
  readonly #server: http.Server;

  private constructor(folder: string) {
    this.folder = folder;
    this.#server = http.createServer((request, response) => void this.#serve(request, response));
  }

  static async open(): Promise<CliBench> {
    const bench = new CliBench(await mkdtemp(path.join(os.tmpdir(), "muster-cli-")));
    const { promise, resolve } = Promise.withResolvers<void>();
    bench.#server.listen(path.join(bench.folder, "api.sock"), resolve);
    await promise;
    return bench;
  }

  /** `route` is `METHOD /path`. */
  on(route: string, answer: Answer): this {
    this.#answers.set(route, answer);
    return this;
  }

  problem(route: string, status: number, problem: object): this {
    return this.on(route, {
      status,
      body: { title: "t", type: "about:blank", status, ...problem },
    });
  }

  host(columns: number | null = null): FakeHost {
    return new FakeHost({ MUSTER_DATA_DIR: this.folder, HOME: this.folder }, columns);
  }

  async run(args: readonly string[], host: FakeHost = this.host()): Promise<Outcome> {
    const code = await main(args, host);
    return { code, stdout: host.stdout.text, stderr: host.stderr.text };
  }

  /** The only request of `method` and `path` so far. */
  request(method: string, path: string): Asked {
    const found = this.asked.filter((one) => one.method === method && one.path === path);
    const [only] = found;
    if (only === undefined || found.length > 1) {
      const all = this.asked.map((one) => `${one.method} ${one.path}`).join(", ");
      throw new Error(`${found.length} requests ${method} ${path}; asked: ${all}`);
    }
    return only;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const url = new URL(request.url ?? "/", "http://x");
    const asked: Asked = {
      method: request.method ?? "",
      path: decodeURIComponent(url.pathname),
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: text === "" ? undefined : (JSON.parse(text) as unknown),
    };
    this.asked.push(asked);
    const script = this.#answers.get(`${asked.method} ${asked.path}`) ?? {
      status: 404,
      body: { code: "NOT_FOUND", detail: `nothing at ${asked.path}`, status: 404 },
    };
    const {
      status = 200,
      body,
      headers = {},
      lines,
    } = typeof script === "function" ? await script(asked) : script;
    if (lines === undefined) {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(body === undefined ? "" : JSON.stringify(body));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    lines.forEach((line, i) => response.write(`id: ${i}\ndata: ${JSON.stringify(line)}\n\n`));
    if (headers["open"] === undefined) response.end("event: end\ndata: {}\n\n");
  }
}

/** Opens a bench, runs `act`, closes the bench. */
export function withCli(act: (bench: CliBench) => Promise<void>): () => Promise<void> {
  return async () => {
    await using bench = await CliBench.open();
    await act(bench);
  };
}

export const time = "2026-06-01T00:00:00.000Z";

export function jobNode(parts: object = {}): object {
  const times = { startedAt: time, endedAt: time };
  return {
    status: "succeeded",
    step: "web/configure",
    exitCode: 0,
    message: "",
    ...times,
    ...parts,
  };
}

export function job(parts: object = {}): object {
  return {
    id: "1m0000000000000001",
    action: "commission",
    reason: "",
    createdBy: "operator",
    createdAt: time,
    startedAt: time,
    endedAt: time,
    status: "succeeded",
    strategy: { batch: "100%", canary: null, maxFailures: 0, onFailure: "continue" },
    revision: "c0ffee",
    targets: ["n1"],
    waves: [["n1"]],
    nodes: { n1: jobNode() },
    blockedBy: [],
    version: 7,
    ...parts,
  };
}

export function node(name: string, parts: object = {}): object {
  return {
    name,
    id: `peer-${name}`,
    phase: "discovered",
    reachability: "reachable",
    roles: [],
    labels: {},
    vars: {},
    facts: null,
    address: "10.0.0.1:7700",
    revision: null,
    conditions: [],
    job: null,
    lastJob: null,
    history: [],
    version: 5,
    ...parts,
  };
}
