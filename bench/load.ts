/**
 * Closed-loop HTTP load: `clients` keep-alive connections, each sends its next request when the last one was
 * answered. One generator for every system under test, so that its own cost weighs on all alike.
 */
import http from "node:http";

export interface Target {
  readonly socketPath?: string;
  readonly port?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RequestSpec {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

export interface LoadResult {
  readonly clients: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

export interface LoadOptions {
  readonly target: Target;
  readonly clients: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
  /** The request number `n` of client `client`. */
  readonly request: (client: number, n: number) => RequestSpec;
}

export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const latencies: number[] = [];
  const counts = { errors: 0 };
  const begun = performance.now();
  const from = begun + options.warmUpMs;
  const end = from + options.measureMs;
  const client = async (id: number): Promise<void> => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let n = 0; performance.now() < end; n += 1) {
      const sent = performance.now();
      const ok = await send(options.target, agent, options.request(id, n));
      const now = performance.now();
      if (sent < from || now > end) continue;
      if (ok) latencies.push(now - sent);
      else counts.errors += 1;
    }
    agent.destroy();
  };
  await Promise.all(Array.from({ length: options.clients }, (_, id) => client(id)));
  latencies.sort((a, b) => a - b);
  return {
    clients: options.clients,
    perSecond: Math.round((latencies.length * 1000) / options.measureMs),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    errors: counts.errors,
  };
}

/** Resolves true for a 2xx answer; false for anything else, a broken connection included. */
export function send(
  target: Target,
  agent: http.Agent | false,
  spec: RequestSpec,
): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const request = http.request(
    {
      ...(target.socketPath === undefined
        ? { host: "127.0.0.1", port: target.port }
        : { socketPath: target.socketPath }),
      agent,
      method: spec.method,
      path: spec.path,
      headers: {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(spec.body),
        ...target.headers,
      },
      timeout: 10_000,
    },
    (response) => {
      response.resume();
      response.on("end", () => {
        resolve((response.statusCode ?? 500) < 300);
      });
      response.on("error", () => resolve(false));
    },
  );
  request.on("timeout", () => request.destroy());
  request.on("error", () => resolve(false));
  request.end(spec.body);
  return promise;
}

function percentile(sorted: readonly number[], q: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
  return Math.round(value * 100) / 100;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
