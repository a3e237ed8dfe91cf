/**
 * Writes in an open loop: a new one every few milliseconds, whatever became of the earlier ones, since a server may
 * sit on a request for seconds before it refuses it. Shows how long a cluster took no writes.
 */
import http from "node:http";

export interface Target {
  readonly port: number;
  readonly method: string;
  /** Path and body of the write number `n`. */
  readonly request: (n: number) => { readonly path: string; readonly body: string };
  readonly headers?: Readonly<Record<string, string>>;
}

const everyMs = 5;

export class Probe {
  /** When writes were answered with success. */
  readonly answeredMs: number[] = [];
  /** Why writes failed that had reached somebody. */
  readonly failures: string[] = [];
  readonly #agent = new http.Agent({ keepAlive: true });
  readonly #under = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #n = 0;

  constructor(targets: readonly Target[]) {
    this.#timer = setInterval(() => {
      const target = targets[this.#n % targets.length];
      if (target === undefined) return;
      this.#n += 1;
      const write = this.#write(target, this.#n).finally(() => this.#under.delete(write));
      this.#under.add(write);
    }, everyMs);
  }

  /** The longest time between two successes, one of them after `fromMs`. */
  longestGapMs(fromMs: number): number {
    const sorted = this.answeredMs.toSorted((a, b) => a - b);
    const gaps = sorted.map((at, i) => (at < fromMs ? 0 : at - (sorted[i - 1] ?? at)));
    return Math.max(0, ...gaps);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#under);
    this.#agent.destroy();
  }

  #write({ port, method, request, headers }: Target, n: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { path, body } = request(n);
    const common = { host: "127.0.0.1", port, method, path, agent: this.#agent };
    const length = { "content-type": "application/json", "content-length": body.length };
    const call = http.request({ ...common, headers: { ...length, ...headers } }, (response) => {
      const { statusCode = 0 } = response;
      response.resume();
      response.on("close", () => {
        if (statusCode < 300) this.answeredMs.push(performance.now());
        else this.failures.push(String(statusCode));
        resolve();
      });
    });
    call.setTimeout(10_000, () => call.destroy(new Error("no answer in 10 s")));
    call.on("error", (error: NodeJS.ErrnoException) => {
      // Nobody listens there: nothing was written, and a caller asks another member.
      if (error.code !== "ECONNREFUSED") this.failures.push(error.code ?? error.message);
      resolve();
    });
    call.end(body);
    return promise;
  }
}
