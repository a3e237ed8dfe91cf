/** A bare HTTP client for tests: it must not share code with the product's own. */
import http from "node:http";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body; undefined when it is not JSON. */
  // biome-ignore lint: tests look into answers freely
  readonly json: unknown;
}

export interface HttpQuestion {
  readonly socketPath?: string;
  readonly port?: number;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

export function ask(question: HttpQuestion): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const body =
    question.body === undefined || typeof question.body === "string"
      ? question.body
      : JSON.stringify(question.body);
  const request = http.request(
    {
      ...(question.socketPath === undefined
        ? { host: "127.0.0.1", port: question.port }
        : { socketPath: question.socketPath }),
      method: question.method ?? "GET",
      path: question.path,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...question.headers,
      },
      agent: false,
      timeout: question.timeoutMs ?? 20_000,
    },
    (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: parse(text),
        });
      });
    },
  );
  request.on("timeout", () => request.destroy(new Error(`No answer to ${question.path}`)));
  request.on("error", reject);
  request.end(body);
  return promise;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
